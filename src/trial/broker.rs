//! One Apache Kafka as a child process: a broker and controller in one JVM, on the loopback interface, made to start
//! fast and to forget nothing but what a crash makes it forget.
//!
//! One broker has one replica of everything, so it cannot keep exactly-once across its own crash; it can across any
//! crash of ours. Three of them, each with its [`Place`] in one cluster, can do both.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use thiserror::Error;

use super::nursery::Nursery;
use super::place::{Door, Place};
use crate::kafka::KafkaSettings;

/// How long a broker may take until it answers. After a kill it first waits for its old registration to expire.
const READY_WITHIN: Duration = Duration::from_secs(90);
/// How long it may take to end by itself.
const STOPPED_WITHIN: Duration = Duration::from_secs(60);
/// A broker that ends so soon lost the race for a port.
const PORT_RACE: Duration = Duration::from_secs(2);
const PORT_ATTEMPTS: u32 = 3;

/// Any id; it is in the formatted directory and nowhere else.
const CLUSTER_ID: &str = "AAAAAAAAQACAAAAAAAAAAA";

const JVM: [&str; 6] = [
    "-Xms256m",
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:MaxDirectMemorySize=128m",
    "-Djava.net.preferIPv4Stack=true",
];

const LOG4J: &str = "\
status=error
appender.out.type=Console
appender.out.name=OUT
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=[%d] %p %m (%c)%n
rootLogger.level=WARN
rootLogger.appenderRef.out.ref=OUT
logger.start.name=kafka.server
logger.start.level=INFO
logger.tx.name=kafka.coordinator.transaction
logger.tx.level=INFO
";

/// The jars of one version of Apache Kafka.
#[derive(Debug, Clone)]
pub struct Jars {
    folder: PathBuf,
    version: String,
}

/// Why there is no broker.
#[derive(Debug, Error)]
pub enum BrokerError {
    /// The folder is absent or holds something else.
    #[error("no jars of Apache Kafka in {folder}; run tests/kafka/fetch", folder = folder.display())]
    NoJars {
        /// Where they were looked for.
        folder: PathBuf,
    },
    /// No `java` can be run.
    #[error("java cannot be run; install a Java runtime of version 17 or newer")]
    NoJava(#[source] io::Error),
    /// A file or a process could not be made.
    #[error("the broker's files or process")]
    Io(#[from] io::Error),
    /// The data directory could not be formatted.
    #[error("the data directory could not be formatted ({status}); see {log}", log = log.display())]
    Format {
        /// How the tool ended.
        status: ExitStatus,
        /// What it said.
        log: PathBuf,
    },
    /// It ended by itself.
    #[error("the broker ended by itself ({status}); see {log}", log = log.display())]
    Ended {
        /// How.
        status: ExitStatus,
        /// What it said.
        log: PathBuf,
    },
    /// Copies of partitions stay behind.
    #[error("the brokers of the cluster do not catch up with each other")]
    Behind,
    /// It does not answer.
    #[error("the broker does not answer; see {log}", log = log.display())]
    Silent {
        /// What it said.
        log: PathBuf,
    },
}

impl Jars {
    /// The jars in the folder that `KAFKA_LIBS` names, or those that `tests/kafka/fetch` has put into `.cache/kafka`.
    ///
    /// # Errors
    /// When there are none, or no Java.
    pub fn find() -> Result<Self, BrokerError> {
        #[expect(clippy::disallowed_methods, reason = "a switch of tests and demo, no setting of the service")]
        let named = std::env::var_os("KAFKA_LIBS").map(PathBuf::from);
        let fetched = || Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache/kafka/libs");
        Self::in_folder(named.unwrap_or_else(fetched))
    }

    /// The jars in a folder.
    ///
    /// # Errors
    /// When there are none, or no Java.
    pub fn in_folder(folder: PathBuf) -> Result<Self, BrokerError> {
        let names = fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.file_name());
        let version = names
            .filter_map(|name| {
                let version = name.to_str()?.strip_prefix("kafka_2.13-")?.strip_suffix(".jar")?;
                Some(version.to_owned())
            })
            .next();
        let Some(version) = version else { return Err(BrokerError::NoJars { folder }) };
        let java = Command::new("java").arg("-version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        java.map_err(BrokerError::NoJava)?;
        Ok(Self { folder, version })
    }

    /// Kafka's version, such as `4.3.1`.
    pub fn version(&self) -> &str {
        &self.version
    }

    fn java(&self, log4j: &Path) -> Command {
        let mut java = Command::new("java");
        java.args(JVM)
            .arg(format!("-Dlog4j2.configurationFile={}", log4j.display()))
            .arg("-cp")
            .arg(self.folder.join("*"))
            .stdin(Stdio::null());
        java
    }
}

/// A running broker, or one that was stopped and can be started again. Dropped, it is killed and its files go, except
/// in a panic: then they stay for whoever wants to know why.
pub struct Broker {
    jars: Jars,
    folder: PathBuf,
    place: Place,
    nursery: Nursery,
    child: Option<Child>,
}

impl Broker {
    /// Starts a broker in a fresh folder inside `parent`, and waits until it answers.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start(jars: &Jars, parent: &Path) -> Result<Self, BrokerError> {
        sweep(parent);
        let mut attempt = 1;
        loop {
            let mut broker = Self::prepare(jars, parent, Place::alone()?)?;
            let began = Instant::now();
            match broker.start_again() {
                Ok(()) => return Ok(broker),
                Err(BrokerError::Ended { .. }) if began.elapsed() < PORT_RACE && attempt < PORT_ATTEMPTS => {
                    attempt += 1
                }
                Err(error) => {
                    // Its log is what the error points to.
                    broker.folder = PathBuf::new();
                    return Err(error);
                }
            }
        }
    }

    /// Makes the files of a broker at this place, without starting it.
    ///
    /// # Errors
    /// When the files cannot be made.
    pub fn prepare(jars: &Jars, parent: &Path, place: Place) -> Result<Self, BrokerError> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = parent.join(format!("{FOLDER_PREFIX}{}-{count}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let broker = Self { jars: jars.clone(), folder, place, nursery: Nursery::open(), child: None };
        fs::write(broker.log4j(), LOG4J)?;
        fs::write(broker.properties(), broker.place.properties(&broker.folder.join("data")))?;
        broker.format()?;
        Ok(broker)
    }

    fn format(&self) -> Result<(), BrokerError> {
        let log = self.folder.join("format.log");
        let out = File::create(&log)?;
        let mut tool = self.jars.java(&self.log4j());
        tool.args(["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c"])
            .arg(self.properties())
            .stdout(out.try_clone()?)
            .stderr(out);
        let status = tool.status()?;
        if status.success() { Ok(()) } else { Err(BrokerError::Format { status, log }) }
    }

    /// Starts a stopped broker on the same data and the same port, and waits until it answers. Does nothing if it runs.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start_again(&mut self) -> Result<(), BrokerError> {
        self.spawn()?;
        self.wait_until_ready()
    }

    /// Starts it without waiting: the brokers of a cluster need each other to come up. Does nothing if it runs.
    ///
    /// # Errors
    /// When no process can be made.
    pub fn spawn(&mut self) -> Result<(), BrokerError> {
        if self.child.is_some() {
            return Ok(());
        }
        let out = File::options().append(true).create(true).open(self.log())?;
        let mut java = self.jars.java(&self.log4j());
        java.arg("kafka.Kafka").arg(self.properties()).stdout(out.try_clone()?).stderr(out);
        self.child = Some(self.nursery.spawn(java)?);
        Ok(())
    }

    /// Waits until it answers and stands in its own list of brokers.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn wait_until_ready(&mut self) -> Result<(), BrokerError> {
        let client: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", self.bootstrap_servers())
            .set("reconnect.backoff.ms", "20")
            .set("reconnect.backoff.max.ms", "50")
            .set("log_level", "0")
            .create()
            .map_err(|error| io::Error::other(error.to_string()))?;
        let began = Instant::now();
        while began.elapsed() < READY_WITHIN {
            if let Some(child) = &mut self.child
                && let Some(status) = child.try_wait()?
            {
                self.child = None;
                return Err(BrokerError::Ended { status, log: self.log() });
            }
            // An open port is not enough: the broker must know itself.
            let all = client.fetch_metadata(None, Duration::from_millis(500));
            if all.is_ok_and(|all| all.brokers().iter().any(|broker| broker.id() == self.place.node())) {
                return Ok(());
            }
        }
        Err(BrokerError::Silent { log: self.log() })
    }

    /// Stops it in order, as SIGTERM does.
    ///
    /// # Errors
    /// When it does not end.
    pub fn stop(&mut self) -> Result<(), BrokerError> {
        let Some(child) = &mut self.child else { return Ok(()) };
        terminate(child)?;
        let began = Instant::now();
        while began.elapsed() < STOPPED_WITHIN {
            if child.try_wait()?.is_some() {
                self.child = None;
                return Ok(());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Err(BrokerError::Silent { log: self.log() })
    }

    /// Kills it with SIGKILL.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill(&mut self) -> Result<(), BrokerError> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// `host:port` of the broker.
    pub fn bootstrap_servers(&self) -> String {
        format!("127.0.0.1:{}", self.place.port())
    }

    /// A further way in, by its name.
    pub fn door(&self, name: &str) -> Option<&Door> {
        self.place.door(name)
    }

    /// How to reach it.
    pub fn settings(&self) -> KafkaSettings {
        KafkaSettings::plaintext(&self.bootstrap_servers())
    }

    /// Kafka's version.
    pub fn version(&self) -> &str {
        self.jars.version()
    }

    /// Creates a topic, as the owner of a source would.
    ///
    /// # Errors
    /// When the broker refuses, or does not answer.
    ///
    /// # Panics
    /// Never: a runtime without drivers needs nothing of the machine.
    pub fn create_topic(&self, topic: &str, partitions: i32) -> Result<(), KafkaError> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.bootstrap_servers());
        let admin: AdminClient<DefaultClientContext> = config.create()?;
        let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("it needs nothing of the machine");
        let results = runtime.block_on(admin.create_topics([&new], &AdminOptions::new()))?;
        match results.into_iter().next() {
            Some(Err((_, code))) => Err(KafkaError::AdminOp(code)),
            Some(Ok(_)) | None => Ok(()),
        }
    }

    /// What the broker writes to stdout and stderr.
    pub fn log(&self) -> PathBuf {
        self.folder.join("broker.log")
    }

    fn log4j(&self) -> PathBuf {
        self.folder.join("log4j2.properties")
    }

    fn properties(&self) -> PathBuf {
        self.folder.join("server.properties")
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Err(error) = self.kill() {
            eprintln!("the broker could not be killed: {error}");
        }
        if !thread::panicking() && !self.folder.as_os_str().is_empty() {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

const FOLDER_PREFIX: &str = "broker-";

/// Removes folders of brokers whose starter is gone: a static is never dropped.
fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let starter = name
            .to_str()
            .and_then(|name| name.strip_prefix(FOLDER_PREFIX)?.split('-').next())
            .filter(|pid| pid.parse::<u32>().is_ok());
        if starter.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn terminate(child: &Child) -> io::Result<()> {
    let pid = libc::pid_t::try_from(child.id()).map_err(io::Error::other)?;
    #[expect(unsafe_code, reason = "std sends SIGKILL only")]
    // SAFETY: kill has no preconditions; the child is not waited for yet, so the id is still its own.
    let result = unsafe { libc::kill(pid, libc::SIGTERM) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
