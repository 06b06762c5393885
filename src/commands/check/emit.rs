//! The commands that an administrator must run, for Kafka's own tools. Offline.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::config::{Config, OWN_CLUSTER};
use crate::kafka::TopicNames;
use crate::kafka::topics::{plan, settings_for};

/// Where the tools find how to log in.
const TOOL_CONFIG: &str = "# Add --command-config FILE where the cluster wants a login.\n";

/// One `kafka-topics.sh` for each topic of the service.
pub(super) fn topics(config: &Config) -> String {
    let mut page = TOOL_CONFIG.to_owned();
    if config.kafka.replication_factor < 1 {
        page.push_str("# kafka.replication_factor is not set: the brokers choose how many replicas there are, and how many must be in sync.\n");
    }
    let servers = quoted(&config.kafka.cluster.bootstrap_servers);
    for topic in plan(&TopicNames::new(&config.kafka.prefix)) {
        let _ = write!(
            page,
            "\n# {}\nkafka-topics.sh --bootstrap-server {servers} --create --if-not-exists \\\n  --topic {} --partitions {}",
            topic.purpose,
            quoted(&topic.name),
            topic.partitions,
        );
        if config.kafka.replication_factor > 0 {
            let _ = write!(page, " --replication-factor {}", config.kafka.replication_factor);
        }
        for (key, value) in topic.config.iter().chain(&settings_for(config.kafka.replication_factor)) {
            let _ = write!(page, " \\\n  --config {key}={value}");
        }
        page.push('\n');
    }
    page
}

/// The rights of the service, on its own cluster and on those of its sources, and those of people who use it.
pub(super) fn acls(config: &Config) -> String {
    let mut page = TOOL_CONFIG.to_owned();
    page.push_str(
        "# Whoever may write a source topic, `events` or `requests` can have people removed: grant that to nobody else.\n\
         # Whoever may write `commands` may pause, approve what a guard holds, enforce and cancel: nothing else proves who\n\
         # gave a command.\n\
         \n# The principal that the service logs in as, and that of somebody who orders offboardings by hand.\n\
         SERVICE='User:heroku-deprovisioner'\nOPERATOR='User:offboarding-operator'\n\
         # That of somebody who decides: pausing, cases, dead letters, lost state.\n\
         DECIDER='User:offboarding-decider'\n",
    );
    let names = TopicNames::new(&config.kafka.prefix);
    let prefix = quoted(&config.kafka.prefix);
    let servers = |name: &str| {
        let cluster = config.kafka_clusters.get(name).unwrap_or(&config.kafka.cluster);
        quoted(&cluster.bootstrap_servers)
    };
    let own = servers(OWN_CLUSTER);
    let create = if config.kafka.create_topics { " --operation Create" } else { "" };
    let all = "--resource-pattern-type prefixed";
    let mut grant = |what: &str, servers: &str, principal: &str, rest: &str| {
        let _ = write!(
            page,
            "\n# {what}\nkafka-acls.sh --bootstrap-server {servers} --add \\\n  --allow-principal \"${principal}\" \\\n  {rest}\n"
        );
    };
    grant(
        "its own topics",
        &own,
        "SERVICE",
        &format!(
            "--topic {prefix} {all} \\\n  --operation Read --operation Write --operation Describe \\\n  --operation DescribeConfigs{create}"
        ),
    );
    grant(
        "its groups",
        &own,
        "SERVICE",
        &format!("--group {prefix} {all} \\\n  --operation Read --operation Describe"),
    );
    grant(
        "its transactions",
        &own,
        "SERVICE",
        &format!("--transactional-id {prefix} {all} \\\n  --operation Write --operation Describe"),
    );
    let mut sources: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for source in &config.sources {
        sources.entry(config.cluster_of(source).0).or_default().push(&source.topic);
    }
    for (cluster, topics) in sources {
        let servers = servers(cluster);
        for topic in topics {
            let rest = format!("--topic {} --operation Read --operation Describe", quoted(topic));
            grant(&format!("a source on cluster {cluster}"), &servers, "SERVICE", &rest);
        }
        if cluster != OWN_CLUSTER {
            let rest = format!("--group {prefix} {all} \\\n  --operation Read --operation Describe");
            grant(&format!("its group on cluster {cluster}"), &servers, "SERVICE", &rest);
        }
    }
    let requests = format!("--topic {} --operation Write --operation Describe", quoted(&names.requests));
    grant("ordering offboardings (`offboard`)", &own, "OPERATOR", &requests);
    for topic in [&names.state, &names.outcomes] {
        let rest = format!("--topic {} --operation Read --operation Describe", quoted(topic));
        grant("looking at cases (`cases`, `offboard --wait`)", &own, "OPERATOR", &rest);
    }
    let rights = [
        (&names.commands, "--operation Read --operation Write --operation Describe"),
        (&names.state, "--operation Read --operation Describe"),
        (&names.outcomes, "--operation Read --operation Describe"),
    ];
    for (topic, rights) in rights {
        let rest = format!("--topic {} {rights}", quoted(topic));
        grant("deciding (`pause`, `resume`, `cases approve`, `cancel` …)", &own, "DECIDER", &rest);
    }
    for (topic, rights) in [(&names.dead_letters, "--operation Read"), (&names.events, "--operation Write")] {
        let rest = format!("--topic {} {rights} --operation Describe", quoted(topic));
        grant("reading refused records again (`dead-letters`)", &own, "DECIDER", &rest);
    }
    // Of a long record, and with `payload = "reference"` of any, the letter holds the place alone.
    let requests = (OWN_CLUSTER, names.requests.as_str());
    let sources = config.sources.iter().map(|source| (config.cluster_of(source).0, source.topic.as_str()));
    for (cluster, topic) in sources.chain([requests]) {
        let rest = format!("--topic {} --operation Read --operation Describe", quoted(topic));
        grant(
            "reading what a refused record said where it lies (`dead-letters replay`)",
            &servers(cluster),
            "DECIDER",
            &rest,
        );
    }
    page
}

/// For a POSIX shell; plain names stay as they are.
fn quoted(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:,/@".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    fn config(more: &str) -> Config {
        let text = format!(
            "config_version = 1\n{more}[people]\ncompany_domains = [\"larkspur.example\"]\n\
             [[sources]]\nname = \"hr\"\ntopic = \"hr.leavers\"\nformat = \"canonical\"\ntenant = \"larkspur\"\ncluster = \"hr\"\n\
             [kafka_clusters.hr]\nbootstrap_servers = \"hr-1:9092\"\n"
        );
        Config::parse("x.toml", &text, &Environment::default()).unwrap()
    }

    #[test]
    fn every_topic_is_created_with_its_settings() {
        let page =
            topics(&config("[kafka]\nbootstrap_servers = \"b-1:9092\"\nprefix = \"acme.\"\nreplication_factor = 3\n"));
        for topic in plan(&TopicNames::new("acme.")) {
            assert!(page.contains(&format!("--topic {} --partitions 1 --replication-factor 3", topic.name)), "{page}");
        }
        assert_eq!(page.matches("--bootstrap-server b-1:9092 --create --if-not-exists").count(), 6);
        assert!(page.contains("--config cleanup.policy=compact"));
        assert_eq!(page.matches("--config min.insync.replicas=2").count(), 6, "{page}");
        assert_eq!(page.matches("--config unclean.leader.election.enable=false").count(), 6, "{page}");
        let page = topics(&config("[kafka]\nbootstrap_servers = \"b-1:9092\"\n"));
        assert!(page.contains("# kafka.replication_factor is not set") && !page.contains("insync"), "{page}");
    }

    #[test]
    fn rights_are_granted_on_each_cluster_and_creation_only_where_it_is_ours() {
        let base = "[kafka]\nbootstrap_servers = \"b-1:9092\"\nprefix = \"acme.\"\n";
        let page = acls(&config(&format!("{base}create_topics = false\n")));
        assert!(page.contains("--topic acme. --resource-pattern-type prefixed"), "{page}");
        assert!(page.contains("--allow-principal \"$DECIDER\" \\\n  --topic acme.commands"), "{page}");
        for principal in ["SERVICE", "DECIDER"] {
            let source = format!(
                "--bootstrap-server hr-1:9092 --add \\\n  --allow-principal \"${principal}\" \\\n  --topic hr.leavers"
            );
            assert!(page.contains(&source), "{page}");
        }
        assert!(!page.contains("Create"), "{page}");
        assert!(acls(&config(&format!("{base}create_topics = true\n"))).contains("--operation Create"));
    }

    #[test]
    fn what_a_shell_would_read_is_quoted() {
        assert_eq!(quoted("a.b-1:9092,c:9"), "a.b-1:9092,c:9");
        assert_eq!(quoted("a b'; rm"), "'a b'\\''; rm'");
    }
}
