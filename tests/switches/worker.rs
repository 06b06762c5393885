//! The worker's loop without Kafka: the same turns, in the same order, committed into a map that a restart reads.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use heroku_deprovisioner::clock;
use heroku_deprovisioner::engine::budget::Lane;
use heroku_deprovisioner::engine::case::Case;
use heroku_deprovisioner::engine::policy::Policy;
use heroku_deprovisioner::engine::record::StateRecord;
use heroku_deprovisioner::engine::revocation::Progress;
use heroku_deprovisioner::engine::{Effect, Engine, Input, Turn};
use heroku_deprovisioner::heroku::{CallError, Client, Scope};
use heroku_deprovisioner::model::event::Normalised;
use heroku_deprovisioner::model::outcome::{ExecutedBy, OutcomeRecord};
use heroku_deprovisioner::model::{CaseId, GrantId, IntentId, Removal};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

const TICK: Duration = Duration::from_millis(10);

pub(crate) struct Worker {
    pub(crate) engine: Engine,
    pub(crate) outcomes: Vec<OutcomeRecord>,
    /// Requests that committed intents named: method and path.
    pub(crate) intended: Vec<(&'static str, String)>,
    policy: Policy,
    client: Client,
    scope: Arc<Scope>,
    state: BTreeMap<String, Vec<u8>>,
    epoch: u64,
    send: UnboundedSender<(u64, Input)>,
    receive: UnboundedReceiver<(u64, Input)>,
}

impl Worker {
    pub(crate) fn new(policy: Policy, client: Client, scope: Scope) -> Self {
        let (send, receive) = unbounded_channel();
        Self {
            engine: Engine::new(policy.clone(), ExecutedBy::default()),
            outcomes: Vec::new(),
            intended: Vec::new(),
            policy,
            client,
            scope: Arc::new(scope),
            state: BTreeMap::new(),
            epoch: 0,
            send,
            receive,
        }
    }

    /// Waits for answers, at most a moment, and does what follows from them.
    pub(crate) async fn turn(&mut self, events: Vec<Normalised>) {
        let mut inputs = Vec::new();
        if let Ok(Some(first)) = tokio::time::timeout(TICK, self.receive.recv()).await {
            inputs.push(first);
        }
        while let Ok(next) = self.receive.try_recv() {
            inputs.push(next);
        }
        let now = clock::now();
        for (epoch, input) in inputs {
            if epoch == self.epoch {
                self.engine.handle(now, input);
            }
        }
        for event in events {
            self.engine.handle(now, Input::Event(Box::new(event)));
        }
        self.engine.advance(now);
        let (urgent, normal) = self.engine.ready();
        let gate = self.client.gate();
        let granted = (gate.try_reserve(Lane::Urgent, urgent), gate.try_reserve(Lane::Normal, normal));
        self.engine.intend(now, granted.0, granted.1);
        let turn = self.engine.take_turn();
        let removals = turn.effects.iter().filter(|effect| matches!(effect, Effect::Remove { .. })).count();
        gate.give_back((granted.0 + granted.1).saturating_sub(removals));
        self.commit_and_carry_out(turn);
    }

    /// The process dies with its requests on the wire, and another one reads what was committed.
    pub(crate) fn restart(&mut self) {
        self.epoch += 1;
        let records = self.state.iter().map(|(key, value)| (key.as_str(), value.as_slice()));
        self.engine =
            Engine::restore(self.policy.clone(), ExecutedBy::default(), records, clock::now()).expect("its own state");
    }

    /// The open cases, as committed.
    pub(crate) fn open_cases(&self) -> Vec<Case> {
        let records = self.state.iter().map(|(key, value)| StateRecord::decode(key, value).expect("its own state"));
        let open = records.filter_map(|record| if let StateRecord::Case(case) = record { Some(*case) } else { None });
        open.collect()
    }

    fn commit_and_carry_out(&mut self, turn: Turn) {
        for (key, value) in turn.state {
            match value {
                Some(value) => self.state.insert(key, value),
                None => self.state.remove(&key),
            };
        }
        self.outcomes.extend(turn.outcomes);
        for effect in turn.effects {
            if let Effect::Remove { case, grant, intent, removal, .. } = &effect {
                assert!(self.is_committed(*case, *grant, *intent), "a removal without a committed intent: {removal:?}");
                self.intended.push(request(removal));
            }
            let (client, scope, send, epoch) =
                (self.client.clone(), Arc::clone(&self.scope), self.send.clone(), self.epoch);
            tokio::spawn(async move {
                if let Some(input) = perform(&client, &scope, effect).await {
                    // Nobody receives once the row is over.
                    let _ = send.send((epoch, input));
                }
            });
        }
    }

    fn is_committed(&self, case: CaseId, grant: GrantId, intent: IntentId) -> bool {
        let key = format!("case/{case}");
        let Some(value) = self.state.get(&key) else { return false };
        let Ok(StateRecord::Case(case)) = StateRecord::decode(&key, value) else { return false };
        case.revocations.iter().any(|it| it.grant.id == grant && it.progress == Progress::Intended { intent })
    }
}

async fn perform(client: &Client, scope: &Scope, effect: Effect) -> Option<Input> {
    let stopped = |why: heroku_deprovisioner::heroku::AccountStopped| Input::AccountStopped(why.code().to_owned());
    match effect {
        Effect::AskAccount => match client.account(Lane::Urgent).await {
            Ok(account) => Some(Input::Account(account)),
            Err(CallError::Stopped(why)) => Some(stopped(why)),
            Err(_) => None,
        },
        Effect::Scan { wanted, urgent } => Some(match client.scan(&wanted, scope, Lane::of(urgent)).await {
            Ok(scan) => Input::Scanned(Box::new(scan)),
            Err(why) => stopped(why),
        }),
        Effect::Read { lists, urgent } => Some(match client.read_lists(&lists, Lane::of(urgent)).await {
            Ok(lists) => Input::Lists(lists),
            Err(why) => stopped(why),
        }),
        Effect::Remove { case, grant, intent, removal, urgent, .. } => {
            let answer = client.remove(&removal, || true, Lane::of(urgent), None).await;
            Some(Input::Answered { case, grant, intent, answer })
        }
    }
}

/// Written down here a second time, so that a request to another place is seen.
fn request(removal: &Removal) -> (&'static str, String) {
    match removal {
        Removal::Member { team, membership } => ("DELETE", format!("/teams/{team}/members/{membership}")),
        Removal::Invitation { team, invitation } => ("DELETE", format!("/teams/{team}/invitations/{invitation}")),
        Removal::Collaborator { app, collaborator } => ("DELETE", format!("/apps/{app}/collaborators/{collaborator}")),
        Removal::SpaceAccess { space, account } => ("PATCH", format!("/spaces/{space}/members/{account}")),
        Removal::EnterpriseMember { enterprise, account } => {
            ("DELETE", format!("/enterprise-accounts/{enterprise}/members/{account}"))
        }
    }
}
