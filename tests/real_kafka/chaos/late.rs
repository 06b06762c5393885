//! A request that ends a transaction is delayed in the network, and arrives in the middle of the next transaction.
//! librdkafka does not know KIP-890: obeyed, it would commit the next one half-written.

use std::sync::{Arc, Mutex};

use heroku_deprovisioner::trial::{Cluster, Place, jars_for};
use rand::RngExt;

use super::super::bench::{self, Bench};
use super::company::{Company, Supervised, until, until_all_ended};
use super::frames::{self, ADD_OFFSETS_TO_TXN, END_TXN, EndTxn};
use super::proxy::{Proxy, Verdict, ask};
use super::{chance, rounds, verdict};

/// The way of one late request.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Late {
    /// So many pass first; `None` = all.
    Waiting(Option<usize>),
    Withheld(Vec<u8>),
    /// The client has sent it again, and that arrived.
    Repeated(Vec<u8>),
}

/// What the broker answered to each request that came late.
type Answers = Arc<Mutex<Vec<i16>>>;

#[test]
fn a_late_end_of_a_transaction_does_not_end_the_next() {
    const FAULT: &str = "a late EndTxn in the next transaction";
    let Some(jars) = jars_for("a_late_end_of_a_transaction_does_not_end_the_next") else { return };
    let mut chance = chance(FAULT);
    let proxy = Proxy::open();
    let places = vec![Place::alone_behind(&[("LATE", proxy.port())]).unwrap()];
    let mut cluster = Cluster::start(&jars, bench::folder(), places).unwrap();
    let broker = cluster.broker(0).unwrap();
    let port = broker.door("LATE").unwrap().port;
    proxy.lead_to(port);
    let bench = Bench::at(&broker.bootstrap_servers());
    let transactional_id = bench.names.transactional_id.clone();
    let mut company = Company::found(bench);

    let late = Arc::new(Mutex::new(Late::Waiting(None)));
    let answers = Answers::default();
    proxy.watch({
        let (late, answers) = (Arc::clone(&late), Arc::clone(&answers));
        move |request| pass(&transactional_id, port, &late, &answers, request)
    });
    let servers = format!("127.0.0.1:{}", proxy.port());
    let mut one = [Supervised::start(&company, "one", &servers, &company.scene.simulator.url())];

    let times = rounds(2, 20);
    for round in 1..=times {
        *late.lock().unwrap() = Late::Waiting(Some(chance.random_range(0..6)));
        // The next transaction may be that of the next leaver.
        while answers.lock().unwrap().len() < round {
            company.leave(1);
            let struck = || answers.lock().unwrap().len() >= round || company.all_ended();
            until("the late request arrives, or the case ends", &company, &mut one, struck);
        }
    }
    until_all_ended(&company, &mut one);
    let answers = answers.lock().unwrap().clone();
    println!("answers to the late requests: {answers:?}");
    verdict::judge(FAULT, times, &company);
    // 47: of an older epoch; 90: fenced.
    assert!(answers.iter().all(|code| [47, 90].contains(code)), "obeyed, or refused for another reason: {answers:?}");
    let [one] = one;
    one.stop();
}

fn pass(transactional_id: &str, port: u16, late: &Mutex<Late>, answers: &Mutex<Vec<i16>>, request: &[u8]) -> Verdict {
    let mut late = late.lock().unwrap();
    match (frames::api(request), late.clone()) {
        (END_TXN, state) if EndTxn::read(request).transactional_id == transactional_id => match state {
            Late::Waiting(Some(0)) => {
                *late = Late::Withheld(request.to_vec());
                Verdict::Swallow
            }
            Late::Waiting(passing) => {
                *late = Late::Waiting(passing.map(|count| count - 1));
                Verdict::Pass
            }
            Late::Withheld(request) => {
                *late = Late::Repeated(request);
                Verdict::Pass
            }
            Late::Repeated(_) => Verdict::Pass,
        },
        // All records of the next transaction are written, its position and its end are not.
        (ADD_OFFSETS_TO_TXN, Late::Repeated(first)) => {
            let answer = ask(port, &frames::framed(&first)).unwrap();
            answers.lock().unwrap().push(frames::end_txn_error(&answer));
            *late = Late::Waiting(None);
            Verdict::Pass
        }
        _ => Verdict::Pass,
    }
}
