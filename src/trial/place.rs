//! Where a broker stands: its number, its ports, who else belongs to its cluster, and further ways in to it, each under an
//! address at which something else listens, such as a proxy that holds or loses what passes.

use std::io;
use std::net::TcpListener;
use std::path::Path;

/// The way on which brokers reach each other and themselves, for instance with the markers that end a transaction.
pub const INSIDE: &str = "INSIDE";

const PLAIN: &str = "PLAINTEXT";
const CONTROLLER: &str = "CONTROLLER";

/// A further way in to a broker. Whoever comes in by it is told to come back by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Door {
    /// Letters and digits, in capitals; [`INSIDE`] is the one for brokers.
    pub name: String,
    /// Where the broker itself listens.
    pub port: u16,
    /// What it tells its clients: where something else listens, and passes on to `port`.
    pub told: u16,
}

/// Where one broker stands.
#[derive(Debug, Clone)]
pub struct Place {
    /// From 0.
    index: usize,
    port: u16,
    /// One for each broker of the cluster.
    controllers: Vec<u16>,
    doors: Vec<Door>,
}

impl Place {
    /// One broker by itself.
    ///
    /// # Errors
    /// When no port can be had.
    pub fn alone() -> io::Result<Self> {
        Self::alone_behind(&[])
    }

    /// One broker by itself, with these further ways in: name, and the port that clients are told.
    ///
    /// # Errors
    /// When no port can be had.
    pub fn alone_behind(doors: &[(&str, u16)]) -> io::Result<Self> {
        let mut places = Self::together(&[doors.to_vec()])?;
        Ok(places.remove(0))
    }

    /// One cluster: as many brokers as there are lists of further ways in.
    ///
    /// # Errors
    /// When no port can be had.
    pub fn together(brokers: &[Vec<(&str, u16)>]) -> io::Result<Vec<Self>> {
        let doors: usize = brokers.iter().map(Vec::len).sum();
        let mut ports = free_ports(2 * brokers.len() + doors)?.into_iter();
        let mut next = || ports.next().ok_or_else(|| io::Error::other("as many ports as were counted"));
        let controllers: Vec<u16> = brokers.iter().map(|_| next()).collect::<io::Result<_>>()?;
        let mut places = Vec::new();
        for (index, doors) in brokers.iter().enumerate() {
            let port = next()?;
            let doors = doors
                .iter()
                .map(|(name, told)| Ok(Door { name: (*name).to_owned(), port: next()?, told: *told }))
                .collect::<io::Result<_>>()?;
            places.push(Self { index, port, controllers: controllers.clone(), doors });
        }
        Ok(places)
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Its id in the cluster, from 1.
    pub(super) fn node(&self) -> i32 {
        i32::try_from(self.index).unwrap_or(i32::MAX - 1) + 1
    }

    pub(super) fn door(&self, name: &str) -> Option<&Door> {
        self.doors.iter().find(|door| door.name == name)
    }

    /// The broker's `server.properties`. Three brokers keep three copies of everything, one keeps one.
    pub(super) fn properties(&self, data: &Path) -> String {
        let node = self.node();
        let voters: Vec<String> =
            (1..).zip(&self.controllers).map(|(node, port)| format!("{node}@127.0.0.1:{port}")).collect();
        let at = |name: &str, port: u16| format!("{name}://127.0.0.1:{port}");
        let controller = self.controllers.get(self.index).copied().unwrap_or_default();
        let mut listeners = vec![at(PLAIN, self.port), at(CONTROLLER, controller)];
        listeners.extend(self.doors.iter().map(|door| at(&door.name, door.port)));
        let mut told = vec![at(PLAIN, self.port)];
        told.extend(self.doors.iter().map(|door| at(&door.name, door.told)));
        let mut protocols = vec![format!("{PLAIN}:PLAINTEXT"), format!("{CONTROLLER}:PLAINTEXT")];
        protocols.extend(self.doors.iter().map(|door| format!("{}:PLAINTEXT", door.name)));
        let copies = self.controllers.len().min(3);
        let in_sync = if copies == 3 { 2 } else { 1 };
        format!(
            "\
process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
listeners={listeners}
advertised.listeners={told}
controller.listener.names=CONTROLLER
inter.broker.listener.name={inside}
listener.security.protocol.map={protocols}
log.dirs={data}
auto.create.topics.enable=false
default.replication.factor={copies}
min.insync.replicas={in_sync}
offsets.topic.replication.factor={copies}
offsets.topic.num.partitions=4
transaction.state.log.replication.factor={copies}
transaction.state.log.min.isr={in_sync}
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor={copies}
share.coordinator.state.topic.min.isr={in_sync}
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
num.network.threads=2
num.io.threads=2
background.threads=2
log.cleaner.threads=1
log.cleaner.dedupe.buffer.size=16777216
log.cleaner.backoff.ms=500
log.retention.check.interval.ms=5000
log.segment.delete.delay.ms=1000
",
            voters = voters.join(","),
            listeners = listeners.join(","),
            told = told.join(","),
            inside = if self.door(INSIDE).is_some() { INSIDE } else { PLAIN },
            protocols = protocols.join(","),
            data = data.display()
        )
    }
}

/// Ports that are free. One can be had only by letting it go again: an advertised address must be known before the start.
pub(super) fn free_ports(count: usize) -> io::Result<Vec<u16>> {
    let listeners: Vec<TcpListener> =
        (0..count).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<io::Result<_>>()?;
    listeners.iter().map(|listener| Ok(listener.local_addr()?.port())).collect()
}
