//! Commit markers that were lost: the coordinator takes a transaction for ended, and on a partition it is not. So it is after
//! all replicas crashed together around a commit. Here a proxy on the way on which brokers reach each other answers for
//! the partition, and tells it nothing. Whoever wrote on could hide records whose commit had succeeded.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use heroku_deprovisioner::kafka::{Batch, CommitError, Log, RestoreError};
use heroku_deprovisioner::trial::{Broker, INSIDE, Jars, Place, jars_for};

use super::super::bench::{self, Bench};
use super::company::{Company, Supervised, until, until_all_ended};
use super::frames::{self, Markers, TXN_OFFSET_COMMIT, WRITE_TXN_MARKERS};
use super::proxy::{Proxy, Verdict, ask};
use super::verdict;

/// What the coordinator is to lose: the marker on one topic, the next time that it ends a transaction with another one in it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Loss {
    when: String,
    topic: String,
}

/// A broker whose markers can get lost.
struct Forgetful {
    broker: Broker,
    /// On the way on which it reaches itself.
    _inside: Proxy,
    /// Before clients.
    edge: Proxy,
    to_lose: Arc<Mutex<Vec<Loss>>>,
    /// Whole requests, of which a part was lost.
    lost: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Forgetful {
    fn start(jars: &Jars) -> Self {
        let (inside, edge) = (Proxy::open(), Proxy::open());
        let doors = [(INSIDE, inside.port()), ("EDGE", edge.port())];
        let mut broker = Broker::prepare(jars, bench::folder(), Place::alone_behind(&doors).unwrap()).unwrap();
        let port = broker.door(INSIDE).unwrap().port;
        inside.lead_to(port);
        edge.lead_to(broker.door("EDGE").unwrap().port);
        let to_lose = Arc::<Mutex<Vec<Loss>>>::default();
        let lost = Arc::<Mutex<Vec<Vec<u8>>>>::default();
        inside.watch({
            let (to_lose, lost) = (Arc::clone(&to_lose), Arc::clone(&lost));
            move |request| {
                if frames::api(request) != WRITE_TXN_MARKERS {
                    return Verdict::Pass;
                }
                let mut to_lose = to_lose.lock().unwrap();
                let before = to_lose.len();
                let markers = Markers::read(request);
                let rest = markers.without(|all, topic| {
                    let found = to_lose.iter().position(|loss| all.contains(&loss.when) && loss.topic == topic);
                    found.map(|index| to_lose.remove(index)).is_some()
                });
                if to_lose.len() == before {
                    return Verdict::Pass;
                }
                lost.lock().unwrap().push(request.to_vec());
                if let Some(rest) = rest {
                    ask(port, &frames::framed(&rest)).unwrap();
                }
                Verdict::Answer(frames::framed(&markers.written()))
            }
        });
        broker.start_again().unwrap();
        Self { broker, _inside: inside, edge, to_lose, lost }
    }

    fn lose(&self, when: &str, topic: &str) {
        self.to_lose.lock().unwrap().push(Loss { when: when.to_owned(), topic: topic.to_owned() });
    }

    fn is_to_lose(&self, topic: &str) -> bool {
        self.to_lose.lock().unwrap().iter().any(|loss| loss.topic == topic)
    }

    /// The markers arrive after all; those that had arrived change nothing.
    fn find_again(&self) {
        for request in self.lost.lock().unwrap().drain(..) {
            ask(self.broker.door(INSIDE).unwrap().port, &frames::framed(&request)).unwrap();
        }
    }
}

/// Where the marker is lost.
#[derive(Debug, Clone, Copy)]
enum Where {
    State,
    Outcomes,
    Offset,
}

impl Where {
    fn name(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Outcomes => "outcomes",
            Self::Offset => "the offset",
        }
    }
}

#[test]
fn where_markers_were_lost_nothing_is_written_on() {
    let Some(jars) = jars_for("where_markers_were_lost_nothing_is_written_on") else { return };
    let forgetful = Forgetful::start(&jars);
    // Each waits for a minute until it is sure.
    std::thread::scope(|scope| {
        let losses = [Where::State, Where::Outcomes, Where::Offset].map(|place| {
            let forgetful = &forgetful;
            scope.spawn(move || refused(forgetful, place))
        });
        let other = scope.spawn(|| {
            a_broken_line_after_a_commit_is_a_reason_to_look(&forgetful);
            a_position_that_is_never_answered_ends_the_turn(&forgetful);
        });
        let refused = losses.map(|loss| loss.join().unwrap());
        other.join().unwrap();
        // Once somebody has mended Kafka, everything goes on.
        forgetful.find_again();
        for (place, company, mut one) in refused {
            one.instance().kill();
            one.start_again(&company, None);
            let mut one = [one];
            until_all_ended(&company, &mut one);
            verdict::judge(&format!("marker lost on {}, SIGKILL: refused", place.name()), 1, &company);
            let [one] = one;
            one.stop();
        }
    });
}

/// A service that was killed after its commit succeeded, and whose commit has no marker in one place.
fn refused(forgetful: &Forgetful, place: Where) -> (Where, Company, Supervised) {
    let bench = Bench::at(&forgetful.broker.bootstrap_servers());
    let names = bench.names.clone();
    let mut company = Company::found(bench);
    let topic = match place {
        Where::State => names.state.as_str(),
        Where::Outcomes => names.outcomes.as_str(),
        Where::Offset => "__consumer_offsets",
    };
    forgetful.lose(&names.state, topic);
    let mut one = Supervised::start_directly(&company, "one");
    one.instance().kill();
    one.start_again(&company, Some("accept-committed"));
    company.leave(1);
    one.instance().until_ended();
    let written = || [&names.state, &names.outcomes].map(|topic| company.scene.bench.read_everything(topic).len());
    let before = written();
    one.start_again(&company, None);
    let says = "Nothing is done until somebody decides";
    until("it refuses", &company, &mut [], || one.told().contains(says));
    let told = one.told();
    let why = told.lines().find(|line| line.contains(says)).unwrap();
    println!("{}: {why}", place.name());
    assert!(why.contains("markers were lost"), "{why}");
    let named = if let Where::Offset = place { &names.events } else { topic };
    assert!(why.contains(named), "{why}");
    assert_eq!(written(), before, "something was written on: {told}");
    assert_eq!(company.sent(), 0);
    (place, company, one)
}

/// The broker dies right after it said that the commit succeeded. The client only sees that lines break.
fn a_broken_line_after_a_commit_is_a_reason_to_look(forgetful: &Forgetful) {
    let bench = Bench::at(&forgetful.broker.bootstrap_servers());
    // A session that outlives the cut.
    let settings =
        bench::settings(&format!("127.0.0.1:{}", forgetful.edge.port())).with_session_timeout(Duration::from_secs(30));
    let mut log: Log = bench::joined(&settings, &bench.names, "a");
    log.restore().unwrap();
    let batch =
        || Batch { label: "accept", state: vec![("case/1".to_owned(), Some(b"x".to_vec()))], ..Batch::default() };
    log.commit(&batch()).unwrap();
    // Its marker comes a little later.
    bench::until("the first is ended", || bench.read(&bench.names.state).len() == 2);
    forgetful.lose(&bench.names.state, &bench.names.state);
    log.commit(&batch()).unwrap();
    bench::until("the marker is lost", || !forgetful.is_to_lose(&bench.names.state));
    let before = bench.read_everything(&bench.names.state).len();
    forgetful.edge.cut();
    std::thread::sleep(Duration::from_secs(2));
    forgetful.edge.heal();
    let refused = log.commit(&batch()).unwrap_err();
    assert!(matches!(refused, CommitError::Unsettled(RestoreError::Hanging { .. })), "{refused:?}");
    assert_eq!(bench.read_everything(&bench.names.state).len(), before, "something was written on");
}

/// As if librdkafka had forgotten its request: it is gone, and no line breaks.
fn a_position_that_is_never_answered_ends_the_turn(forgetful: &Forgetful) {
    let bench = Bench::at(&forgetful.broker.bootstrap_servers());
    let settings =
        bench::settings(&format!("127.0.0.1:{}", forgetful.edge.port())).with_session_timeout(Duration::from_secs(30));
    let mut log: Log = bench::joined(&settings, &bench.names, "a");
    log.restore().unwrap();
    let batch = |value: &str| Batch {
        label: "accept",
        state: vec![("case/1".to_owned(), Some(value.as_bytes().to_vec()))],
        ..Batch::default()
    };
    log.commit(&batch("before")).unwrap();
    let mut once = true;
    forgetful.edge.watch(move |request| {
        let lost = frames::api(request) == TXN_OFFSET_COMMIT && std::mem::take(&mut once);
        if lost { Verdict::Lose } else { Verdict::Pass }
    });
    let given_up = log.commit(&batch("lost")).unwrap_err();
    assert!(matches!(given_up, CommitError::Silent), "{given_up:?}");
    let restored = log.restore().unwrap();
    assert_eq!(restored.records, [("case/1".to_owned(), b"before".to_vec())]);
    log.commit(&batch("after")).unwrap();
    assert_eq!(log.restore().unwrap().records, [("case/1".to_owned(), b"after".to_vec())]);
}
