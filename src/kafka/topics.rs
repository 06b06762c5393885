//! The topics of the service: created when that is allowed, and looked at before they are used.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use thiserror::Error;
use tracing::info;

use super::context::Plain;
use super::names::TopicNames;
use super::settings::{KafkaSettings, RECORD_BYTES_MAX};
use super::silence::Silence;
use super::writer::ANSWER_WITHIN;

/// How long a new topic may take until each partition has a leader.
const READY_WITHIN: Duration = Duration::from_secs(30);

const CLEANUP: &str = "cleanup.policy";

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Below so many replicas the loss of one broker may lose records.
const REPLICAS_WANTED: usize = 3;
/// Below so many in-sync replicas an acknowledged record may be on one disk only.
const IN_SYNC_WANTED: i32 = 2;

const IN_SYNC: &str = "min.insync.replicas";

const UNCLEAN: &str = "unclean.leader.election.enable";

/// One topic as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicPlan {
    /// Its name.
    pub name: String,
    /// What it is for, one phrase.
    pub purpose: &'static str,
    /// How many partitions to create.
    pub partitions: i32,
    /// Whether another count makes the service refuse.
    pub exactly: bool,
    /// Settings of the topic.
    pub config: BTreeMap<&'static str, String>,
}

/// Whether missing topics may be created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Creation {
    /// An administrator does it.
    Forbidden,
    /// With so many replicas; -1 = the broker's default.
    Allowed {
        /// Replicas of each partition.
        replicas: i32,
    },
}

/// One topic as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicReport {
    /// Its name.
    pub name: String,
    /// Whether this call created it.
    pub created: bool,
    /// Partitions found.
    pub partitions: usize,
    /// Fewest replicas of a partition.
    pub replicas: usize,
    /// What to improve, each a sentence; nothing of it stops the service.
    pub advice: Vec<String>,
}

/// Why the topics cannot be used.
#[derive(Debug, Error)]
pub enum TopicsError {
    /// No broker answered, or the request was refused as a whole.
    #[error("the topics cannot be looked at")]
    Kafka(#[from] KafkaError),
    /// No broker answered.
    #[error(transparent)]
    Silent(#[from] Silence),
    /// It is not there, and creating topics is switched off.
    #[error("topic {name} does not exist; create it (`check --emit topics` prints how) or set kafka.create_topics")]
    Missing {
        /// The topic.
        name: String,
    },
    /// The broker refused to create it.
    #[error("topic {name} could not be created: {code}; create it by hand (`check --emit topics` prints how)")]
    Refused {
        /// The topic.
        name: String,
        /// The broker's answer.
        code: RDKafkaErrorCode,
    },
    /// It has another number of partitions than the service can work with.
    #[error("topic {name} has {found} partitions, and must have exactly {wanted}; create it anew")]
    Partitions {
        /// The topic.
        name: String,
        /// How many there are.
        found: usize,
        /// How many there must be.
        wanted: i32,
    },
    /// Records go that are still needed, or none ever goes.
    #[error(
        "topic {name} has cleanup.policy {found}, and must have {wanted}, so that no record of what the worker knows is \
         deleted; set it with `kafka-configs.sh --alter --topic {name} --add-config cleanup.policy={wanted}`"
    )]
    Cleanup {
        /// The topic.
        name: String,
        /// What it is.
        found: String,
        /// What it must be.
        wanted: String,
    },
    /// A partition got no leader in time.
    #[error("topic {name} has a partition without a leader")]
    Leaderless {
        /// The topic.
        name: String,
    },
}

/// All topics of a deployment.
pub fn plan(names: &TopicNames) -> Vec<TopicPlan> {
    let days = |days: u64| (days * DAY_MS).to_string();
    let topic = |name: &str, purpose, exactly, config: &[(&'static str, String)]| TopicPlan {
        name: name.to_owned(),
        purpose,
        partitions: 1,
        exactly,
        config: config.iter().cloned().collect(),
    };
    let delete_after = |time: String| [("cleanup.policy", "delete".to_owned()), ("retention.ms", time)];
    let large = ("max.message.bytes", RECORD_BYTES_MAX.to_string());
    let with = |base: [(&'static str, String); 2]| [base[0].clone(), base[1].clone(), large.clone()];
    vec![
        topic(&names.events, "canonical events", true, &delete_after(days(30))),
        topic(
            &names.state,
            "everything the worker knows",
            true,
            &[
                ("cleanup.policy", "compact".to_owned()),
                ("segment.bytes", (64 * 1024 * 1024).to_string()),
                ("min.cleanable.dirty.ratio", "0.2".to_owned()),
                ("max.compaction.lag.ms", (60 * 60 * 1000).to_string()),
                ("delete.retention.ms", days(1)),
                ("min.compaction.lag.ms", "0".to_owned()),
                large.clone(),
            ],
        ),
        topic(&names.commands, "what people ordered", true, &delete_after(days(30))),
        topic(&names.outcomes, "audit records", false, &with(delete_after(days(400)))),
        topic(&names.dead_letters, "refused records", false, &with(delete_after(days(90)))),
        topic(&names.requests, "offboardings ordered by hand", false, &delete_after(days(30))),
    ]
}

/// Settings of a topic with so many replicas, besides those of its plan, that keep what was acknowledged: one replica may
/// be away. None where the broker chooses how many there are, for it may choose one.
pub fn settings_for(replicas: i32) -> BTreeMap<&'static str, String> {
    let in_sync = IN_SYNC_WANTED.min(replicas - 1);
    let several = [(IN_SYNC, in_sync.to_string()), (UNCLEAN, false.to_string())];
    if in_sync < 1 { BTreeMap::new() } else { several.into() }
}

/// Creates what is missing, if that is allowed, and refuses what the service cannot work with. Blocks; a cluster
/// that lacks the Admin API is fine as long as nothing is missing.
///
/// # Errors
/// When a topic is missing, cannot be created or has the wrong shape.
pub fn prepare(
    settings: &KafkaSettings,
    names: &TopicNames,
    creation: Creation,
) -> Result<Vec<TopicReport>, TopicsError> {
    let admin: AdminClient<Plain> = settings.admin().create_with_context(Plain)?;
    let watcher: BaseConsumer<Plain> = settings.probe().create_with_context(Plain)?;
    let plans = plan(names);
    let mut created = Vec::new();
    for plan in &plans {
        if shape(&watcher, &plan.name).map_err(|why| silence_of(settings, why))?.is_some() {
            continue;
        }
        let Creation::Allowed { replicas } = creation else {
            return Err(TopicsError::Missing { name: plan.name.clone() });
        };
        create_topic(&admin, plan, replicas)?;
        created.push(plan.name.as_str());
    }
    let mut reports = Vec::new();
    for plan in &plans {
        let report = report(&watcher, plan)?;
        if plan.name == names.state {
            refuse_other_cleanup(&admin, plan)?;
        }
        reports.push(TopicReport { created: created.contains(&plan.name.as_str()), ..report });
    }
    Ok(reports)
}

fn silence_of(settings: &KafkaSettings, why: TopicsError) -> TopicsError {
    match why {
        TopicsError::Kafka(why) => match Silence::of(settings, &why) {
            Some(silence) => silence.into(),
            None => why.into(),
        },
        other => other,
    }
}

/// Looks at each topic without creating any, with advice about replicas and settings: for `check`.
///
/// # Errors
/// When no client can be made; what is wrong with one topic is said of that topic.
pub fn inspect(
    settings: &KafkaSettings,
    names: &TopicNames,
) -> Result<Vec<(TopicPlan, Result<TopicReport, TopicsError>)>, TopicsError> {
    let admin: AdminClient<Plain> = settings.admin().create_with_context(Plain)?;
    let watcher: BaseConsumer<Plain> = settings.probe().create_with_context(Plain)?;
    let look = |plan: &TopicPlan| -> Result<TopicReport, TopicsError> {
        if shape(&watcher, &plan.name)?.is_none() {
            return Err(TopicsError::Missing { name: plan.name.clone() });
        }
        let mut report = report(&watcher, plan)?;
        if report.replicas < REPLICAS_WANTED {
            report.advice.push(format!(
                "{} has {} replicas; with fewer than {REPLICAS_WANTED} a lost broker may lose records.",
                report.name, report.replicas
            ));
        }
        match configuration(&admin, &report.name) {
            Ok(found) if plan.name == names.state && !is_cleaned_as_planned(plan, &found) => {
                return Err(cleaned_otherwise(plan, &found));
            }
            Ok(found) => report.advice.extend(compare(plan, &found)),
            Err(failure) => report.advice.push(format!("The settings of {} cannot be read: {failure}.", report.name)),
        }
        Ok(report)
    };
    Ok(plan(names)
        .into_iter()
        .map(|plan| {
            let found = look(&plan);
            (plan, found)
        })
        .collect())
}

/// A topic as it is, if the service can work with it.
fn report(watcher: &BaseConsumer<Plain>, plan: &TopicPlan) -> Result<TopicReport, TopicsError> {
    let shape = wait_for_leaders(watcher, &plan.name)?;
    if plan.exactly && usize::try_from(plan.partitions) != Ok(shape.partitions) {
        return Err(TopicsError::Partitions {
            name: plan.name.clone(),
            found: shape.partitions,
            wanted: plan.partitions,
        });
    }
    Ok(TopicReport {
        name: plan.name.clone(),
        created: false,
        partitions: shape.partitions,
        replicas: shape.replicas,
        advice: Vec::new(),
    })
}

/// Where the policy cannot be read, the first offset of the topic still shows what was deleted.
fn refuse_other_cleanup(admin: &AdminClient<Plain>, plan: &TopicPlan) -> Result<(), TopicsError> {
    let found = match configuration(admin, &plan.name) {
        Ok(found) => found,
        Err(failure) => {
            info!("The settings of {} cannot be read: {failure}; `check` says more", plan.name);
            return Ok(());
        }
    };
    if is_cleaned_as_planned(plan, &found) { Ok(()) } else { Err(cleaned_otherwise(plan, &found)) }
}

/// Also when nothing is said of it.
fn is_cleaned_as_planned(plan: &TopicPlan, found: &BTreeMap<String, String>) -> bool {
    found.get(CLEANUP).is_none_or(|found| plan.config.get(CLEANUP) == Some(found))
}

fn cleaned_otherwise(plan: &TopicPlan, found: &BTreeMap<String, String>) -> TopicsError {
    let value = |config: Option<&String>| config.cloned().unwrap_or_default();
    TopicsError::Cleanup {
        name: plan.name.clone(),
        found: value(found.get(CLEANUP)),
        wanted: value(plan.config.get(CLEANUP)),
    }
}

/// What differs from the plan and matters.
fn compare(plan: &TopicPlan, found: &BTreeMap<String, String>) -> Vec<String> {
    let mut advice = Vec::new();
    let value = |key: &str| found.get(key).map(String::as_str);
    if let Some(policy) = plan.config.get("cleanup.policy")
        && value("cleanup.policy").is_some_and(|found| found != policy)
    {
        let found = value("cleanup.policy").unwrap_or_default();
        advice.push(format!("{}: cleanup.policy is {found}, and should be {policy}.", plan.name));
    }
    for (key, meaning) in [("retention.ms", "records go earlier"), ("max.message.bytes", "large records are refused")] {
        let number = |text: &str| text.parse::<i64>().ok().map(|number| if number < 0 { i64::MAX } else { number });
        if let (Some(wanted), Some(has)) =
            (plan.config.get(key).and_then(|text| number(text)), value(key).and_then(number))
            && has < wanted
        {
            advice.push(format!("{}: {key} is {has}, below {wanted}: {meaning}.", plan.name));
        }
    }
    if let Some(in_sync) = value(IN_SYNC).and_then(|text| text.parse::<i32>().ok())
        && in_sync < IN_SYNC_WANTED
    {
        advice.push(format!(
            "{}: {IN_SYNC} is {in_sync}; with fewer than {IN_SYNC_WANTED} an acknowledged record may be on one disk only.",
            plan.name
        ));
    }
    if value(UNCLEAN) == Some("true") {
        advice.push(format!("{}: {UNCLEAN} may lose acknowledged records.", plan.name));
    }
    advice
}

struct Shape {
    partitions: usize,
    replicas: usize,
    led: bool,
}

/// `None` when the topic does not exist.
fn shape(watcher: &BaseConsumer<Plain>, name: &str) -> Result<Option<Shape>, TopicsError> {
    let metadata = watcher.fetch_metadata(Some(name), ANSWER_WITHIN)?;
    let Some(topic) = metadata.topics().iter().find(|topic| topic.name() == name) else { return Ok(None) };
    if let Some(code) = topic.error().map(RDKafkaErrorCode::from) {
        return match code {
            RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic => Ok(None),
            RDKafkaErrorCode::LeaderNotAvailable => Ok(Some(Shape { partitions: 0, replicas: 0, led: false })),
            code => Err(KafkaError::MetadataFetch(code).into()),
        };
    }
    let partitions = topic.partitions();
    Ok(Some(Shape {
        partitions: partitions.len(),
        replicas: partitions.iter().map(|partition| partition.replicas().len()).min().unwrap_or(0),
        led: !partitions.is_empty() && partitions.iter().all(|partition| partition.leader() >= 0),
    }))
}

fn wait_for_leaders(watcher: &BaseConsumer<Plain>, name: &str) -> Result<Shape, TopicsError> {
    let began = Instant::now();
    loop {
        if let Some(shape) = shape(watcher, name)?
            && shape.led
        {
            return Ok(shape);
        }
        if began.elapsed() > READY_WITHIN {
            return Err(TopicsError::Leaderless { name: name.to_owned() });
        }
        thread::sleep(Duration::from_millis(50));
    }
}

fn create_topic(admin: &AdminClient<Plain>, plan: &TopicPlan, replicas: i32) -> Result<(), TopicsError> {
    let durable = settings_for(replicas);
    let planned = || plan.config.iter().map(|(key, value)| (*key, value.as_str()));
    let all = planned().chain(durable.iter().map(|(key, value)| (*key, value.as_str())));
    // Serverless clusters refuse some settings. What no cluster refuses is enough to be correct.
    let least = planned().filter(|(key, _)| *key == "cleanup.policy");
    let mut attempts = [all.collect::<Vec<_>>(), planned().collect(), least.collect()].into_iter();
    let mut refused = try_create(admin, plan, replicas, attempts.next().unwrap_or_default())?;
    for fewer in attempts {
        if !matches!(refused, Some(RDKafkaErrorCode::InvalidConfig | RDKafkaErrorCode::PolicyViolation)) {
            break;
        }
        info!("Topic {}: the cluster refuses some settings; `check` compares them", plan.name);
        refused = try_create(admin, plan, replicas, fewer)?;
    }
    match refused {
        None => info!("Topic {} created", plan.name),
        // Another instance was faster.
        Some(RDKafkaErrorCode::TopicAlreadyExists) => {}
        Some(code) => return Err(TopicsError::Refused { name: plan.name.clone(), code }),
    }
    Ok(())
}

fn try_create(
    admin: &AdminClient<Plain>,
    plan: &TopicPlan,
    replicas: i32,
    config: Vec<(&str, &str)>,
) -> Result<Option<RDKafkaErrorCode>, TopicsError> {
    let topic = NewTopic {
        name: &plan.name,
        num_partitions: plan.partitions,
        replication: TopicReplication::Fixed(replicas),
        config,
    };
    let options = AdminOptions::new().operation_timeout(Some(ANSWER_WITHIN)).request_timeout(Some(ANSWER_WITHIN));
    let answers = wait_for(admin.create_topics([&topic], &options))?;
    Ok(answers.into_iter().find_map(|answer| answer.err().map(|(_, code)| code)))
}

fn configuration(admin: &AdminClient<Plain>, topic: &str) -> Result<BTreeMap<String, String>, KafkaError> {
    let options = AdminOptions::new().request_timeout(Some(ANSWER_WITHIN));
    let answers = wait_for(admin.describe_configs([&ResourceSpecifier::Topic(topic)], &options))?;
    let mut found = BTreeMap::new();
    for answer in answers {
        let resource = answer.map_err(KafkaError::AdminOp)?;
        found.extend(resource.entries.into_iter().filter_map(|entry| entry.value.map(|value| (entry.name, value))));
    }
    Ok(found)
}

/// Blocks on a future that a thread of librdkafka completes.
fn wait_for<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_replica_may_be_away_and_none_is_asked_for_that_may_not_be_there() {
        for unknown in [-1, 1] {
            assert!(settings_for(unknown).is_empty(), "{unknown}");
        }
        for (replicas, in_sync) in [(2, "1"), (3, "2"), (5, "2")] {
            let settings = settings_for(replicas);
            assert_eq!((settings[IN_SYNC].as_str(), settings[UNCLEAN].as_str()), (in_sync, "false"));
        }
    }

    #[test]
    fn shorter_retention_and_one_in_sync_replica_are_named() {
        let plan = &plan(&TopicNames::new("t."))[0];
        let mut found: BTreeMap<String, String> =
            plan.config.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        assert_eq!(compare(plan, &found), Vec::<String>::new());
        found.insert("retention.ms".to_owned(), "-1".to_owned());
        assert_eq!(compare(plan, &found), Vec::<String>::new(), "kept for ever is long enough");
        found.insert("retention.ms".to_owned(), "1000".to_owned());
        found.insert("min.insync.replicas".to_owned(), "1".to_owned());
        assert_eq!(compare(plan, &found).len(), 2);
    }
}
