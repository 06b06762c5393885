//! The Kafka side of `check`: brokers, our topics, our rights, the topics of the sources.

use std::collections::BTreeMap;

use super::{Finding, chain};
use crate::config::{Config, OWN_CLUSTER};
use crate::kafka::topics::{TopicPlan, TopicReport, TopicsError, inspect};
use crate::kafka::{KafkaSettings, TopicNames, examine, is_denied};

const ACLS: &str = "`check --emit acls` prints the commands that grant the rights";
const TOPICS: &str = "`check --emit topics` prints the commands that create the topics";

pub(super) fn findings(config: &Config) -> anyhow::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let names = TopicNames::new(&config.kafka.prefix);
    let mut reached: BTreeMap<&str, Option<KafkaSettings>> = BTreeMap::new();
    let clusters = config.kafka_clusters.iter().map(|(name, cluster)| (name.as_str(), cluster));
    for (name, cluster) in [(OWN_CLUSTER, &config.kafka.cluster)].into_iter().chain(clusters) {
        let about = if name == OWN_CLUSTER { "kafka".to_owned() } else { format!("kafka cluster {name}") };
        let settings = match KafkaSettings::of(cluster, &config.advanced) {
            Ok(settings) => settings,
            Err(why) => {
                findings.push(Finding::wrong(&about, chain(&why), "mount the secret, or name where it is"));
                reached.insert(name, None);
                continue;
            }
        };
        match examine::brokers(&settings) {
            Ok(brokers) => {
                let count = if brokers == 1 { "1 broker".to_owned() } else { format!("{brokers} brokers") };
                findings.push(Finding::good(&about, format!("{} answers, {count}", settings.bootstrap_servers())));
                reached.insert(name, Some(settings));
            }
            Err(why) => {
                let what = format!("{} does not answer: {}", settings.bootstrap_servers(), chain(&why));
                findings.push(Finding::wrong(&about, what, "check address, network, security_protocol and SASL"));
                reached.insert(name, None);
            }
        }
    }
    if let Some(Some(settings)) = reached.get(OWN_CLUSTER) {
        own(config, settings, &names, &mut findings);
    }
    for source in &config.sources {
        let (cluster, _) = config.cluster_of(source);
        if let Some(Some(settings)) = reached.get(cluster) {
            findings.push(source_topic(&source.name, &source.topic, settings, &names));
        }
    }
    Ok(findings)
}

/// Our topics, then our rights to them; rights cannot be tried on topics that are not there.
fn own(config: &Config, settings: &KafkaSettings, names: &TopicNames, findings: &mut Vec<Finding>) {
    let topics = match inspect(settings, names) {
        Ok(topics) => topics,
        Err(why) => {
            findings.push(Finding::wrong("topics", chain(&why), ACLS));
            return;
        }
    };
    let mut all_there = true;
    for (plan, report) in &topics {
        let (finding, there) = own_topic(config, plan, report);
        findings.extend(finding);
        all_there &= there;
    }
    if !all_there {
        findings.push(Finding::doubt("rights", "not tried: they can only be tried on topics that are there"));
        return;
    }
    let boundary = format!(
        "whoever may write {} may pause, approve and cancel: its ACL is the only boundary, grant it to nobody else",
        names.commands
    );
    findings.push(Finding::good("commands", boundary));
    for right in examine::rights(settings, names) {
        findings.push(match right.answer {
            Ok(()) => Finding::good("rights", right.what),
            Err(why) if is_denied(&why) => Finding::wrong("rights", format!("{}: {why}", right.what), ACLS),
            Err(why) => Finding::wrong("rights", format!("{}: {why}", right.what), "see the brokers' logs"),
        });
    }
}

fn own_topic(config: &Config, plan: &TopicPlan, report: &Result<TopicReport, TopicsError>) -> (Vec<Finding>, bool) {
    let about = format!("topic {}", plan.name);
    match report {
        Ok(report) => {
            let partitions = if report.partitions == 1 { "1 partition" } else { "several partitions" };
            let mut findings = vec![Finding::good(&about, format!("{partitions}, {} replicas", report.replicas))];
            findings.extend(report.advice.iter().map(|advice| Finding::doubt(&about, advice.as_str())));
            (findings, true)
        }
        Err(TopicsError::Missing { .. }) if config.kafka.create_topics => {
            let what = "not there yet; the service creates it at its first start (kafka.create_topics)";
            (vec![Finding::doubt(&about, what)], false)
        }
        Err(why @ TopicsError::Missing { .. }) => (vec![Finding::wrong(&about, chain(why), TOPICS)], false),
        Err(why @ TopicsError::Kafka(_)) if is_denied(why) => (vec![Finding::wrong(&about, chain(why), ACLS)], false),
        Err(
            why @ (TopicsError::Kafka(_)
            | TopicsError::Silent(_)
            | TopicsError::Refused { .. }
            | TopicsError::Partitions { .. }
            | TopicsError::Cleanup { .. }
            | TopicsError::Leaderless { .. }),
        ) => (vec![Finding::wrong(&about, chain(why), "mend the topic before the service is started")], false),
    }
}

fn source_topic(source: &str, topic: &str, settings: &KafkaSettings, names: &TopicNames) -> Finding {
    let about = format!("source {source}");
    match examine::partitions(settings, topic) {
        Ok(None) => {
            Finding::wrong(&about, format!("topic {topic} does not exist"), "create it, or correct the name in sources")
        }
        Ok(Some(partitions)) => match examine::readable(settings, names, topic) {
            Ok(()) => Finding::good(&about, format!("topic {topic} can be read, {partitions} partitions")),
            Err(why) if is_denied(&why) => Finding::wrong(&about, format!("topic {topic}: {why}"), ACLS),
            Err(why) => Finding::wrong(&about, format!("topic {topic}: {why}"), "see the brokers' logs"),
        },
        Err(why) => Finding::wrong(&about, format!("topic {topic}: {why}"), ACLS),
    }
}
