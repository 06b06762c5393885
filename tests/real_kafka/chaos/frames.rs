//! Requests of Kafka's protocol, as far as the tests look into them, byte by byte.

pub(crate) const ADD_OFFSETS_TO_TXN: i16 = 25;
pub(crate) const END_TXN: i16 = 26;
pub(crate) const WRITE_TXN_MARKERS: i16 = 27;
pub(crate) const TXN_OFFSET_COMMIT: i16 = 28;

/// Which request it is.
pub(crate) fn api(request: &[u8]) -> i16 {
    i16::from_be_bytes([request[0], request[1]])
}

fn version(request: &[u8]) -> i16 {
    i16::from_be_bytes([request[2], request[3]])
}

/// With its length in front, as it goes over the line.
pub(crate) fn framed(bytes: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(bytes.len()).unwrap().to_be_bytes().to_vec();
    frame.extend_from_slice(bytes);
    frame
}

/// One request that ends a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EndTxn {
    pub(crate) transactional_id: String,
    pub(crate) producer: i64,
    pub(crate) epoch: i16,
    pub(crate) commits: bool,
}

impl EndTxn {
    pub(crate) fn read(request: &[u8]) -> Self {
        assert!(version(request) <= 2, "this client speaks a newer version: {}", version(request));
        let mut bytes = after_header(request);
        let transactional_id = bytes.text();
        Self { transactional_id, producer: bytes.long(), epoch: bytes.short(), commits: bytes.byte() != 0 }
    }
}

/// The error code in the answer to an [`EndTxn`]; 0 = it was obeyed.
pub(crate) fn end_txn_error(answer: &[u8]) -> i16 {
    // The number of the request and the throttle time come first.
    Bytes(&answer[8..]).short()
}

/// The markers that end transactions, as the coordinator has them written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Markers {
    version: i16,
    /// Everything before the body.
    header: Vec<u8>,
    all: Vec<Marker>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Marker {
    producer: i64,
    epoch: i16,
    result: u8,
    topics: Vec<(String, Vec<i32>)>,
    coordinator_epoch: i32,
    transaction_version: u8,
}

impl Markers {
    pub(crate) fn read(request: &[u8]) -> Self {
        let version = version(request);
        assert!((1..=2).contains(&version), "brokers speak another version: {version}");
        let mut bytes = after_header(request);
        bytes.tags();
        let header = request[..request.len() - bytes.0.len()].to_vec();
        let all = bytes.array(|bytes| {
            let (producer, epoch, result) = (bytes.long(), bytes.short(), bytes.byte());
            let topics = bytes.array(|bytes| {
                let topic = (bytes.compact_text(), bytes.array(Bytes::int));
                bytes.tags();
                topic
            });
            let coordinator_epoch = bytes.int();
            let transaction_version = if version >= 2 { bytes.byte() } else { 0 };
            bytes.tags();
            Marker { producer, epoch, result, topics, coordinator_epoch, transaction_version }
        });
        Self { version, header, all }
    }

    /// The same request without some topics; `None` = nothing is left. `lost` is told all topics of a transaction, and one.
    pub(crate) fn without(&self, mut lost: impl FnMut(&[String], &str) -> bool) -> Option<Vec<u8>> {
        let mut kept = self.clone();
        for marker in &mut kept.all {
            let all: Vec<String> = marker.topics.iter().map(|(topic, _)| topic.clone()).collect();
            marker.topics.retain(|(topic, _)| !lost(&all, topic));
        }
        kept.all.retain(|marker| !marker.topics.is_empty());
        (!kept.all.is_empty()).then(|| kept.bytes())
    }

    fn bytes(&self) -> Vec<u8> {
        let mut out = self.header.clone();
        count(&mut out, self.all.len());
        for marker in &self.all {
            out.extend(marker.producer.to_be_bytes());
            out.extend(marker.epoch.to_be_bytes());
            out.push(marker.result);
            count(&mut out, marker.topics.len());
            for (topic, partitions) in &marker.topics {
                text(&mut out, topic);
                count(&mut out, partitions.len());
                partitions.iter().for_each(|partition| out.extend(partition.to_be_bytes()));
                out.push(0);
            }
            out.extend(marker.coordinator_epoch.to_be_bytes());
            if self.version >= 2 {
                out.push(marker.transaction_version);
            }
            out.push(0);
        }
        out.push(0);
        out
    }

    /// The answer that all of them were written.
    pub(crate) fn written(&self) -> Vec<u8> {
        let mut out = self.header[4..8].to_vec();
        out.push(0);
        count(&mut out, self.all.len());
        for marker in &self.all {
            out.extend(marker.producer.to_be_bytes());
            count(&mut out, marker.topics.len());
            for (topic, partitions) in &marker.topics {
                text(&mut out, topic);
                count(&mut out, partitions.len());
                for partition in partitions {
                    out.extend(partition.to_be_bytes());
                    out.extend([0, 0, 0]);
                }
                out.push(0);
            }
            out.push(0);
        }
        out.push(0);
        out
    }
}

/// Short lists and texts only, so that their length is one byte.
fn count(out: &mut Vec<u8>, length: usize) {
    assert!(length < 127, "longer than one byte can say");
    out.push(u8::try_from(length).unwrap() + 1);
}

fn text(out: &mut Vec<u8>, text: &str) {
    count(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

/// Behind api, version, number and the client's name.
fn after_header(request: &[u8]) -> Bytes<'_> {
    let mut bytes = Bytes(&request[8..]);
    let name = usize::try_from(bytes.short()).unwrap_or(0);
    bytes.take(name);
    bytes
}

/// What is left to read.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn take(&mut self, count: usize) -> &[u8] {
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        taken
    }

    fn byte(&mut self) -> u8 {
        self.take(1)[0]
    }

    fn short(&mut self) -> i16 {
        i16::from_be_bytes(self.take(2).try_into().unwrap())
    }

    fn int(&mut self) -> i32 {
        i32::from_be_bytes(self.take(4).try_into().unwrap())
    }

    fn long(&mut self) -> i64 {
        i64::from_be_bytes(self.take(8).try_into().unwrap())
    }

    fn text(&mut self) -> String {
        let length = usize::try_from(self.short()).unwrap();
        String::from_utf8(self.take(length).to_vec()).unwrap()
    }

    fn compact_length(&mut self) -> usize {
        let length = self.byte();
        assert!(length > 0 && length < 128, "null, or longer than one byte can say: {length}");
        usize::from(length) - 1
    }

    fn compact_text(&mut self) -> String {
        let length = self.compact_length();
        String::from_utf8(self.take(length).to_vec()).unwrap()
    }

    fn array<T>(&mut self, mut each: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.compact_length()).map(|_| each(self)).collect()
    }

    fn tags(&mut self) {
        assert_eq!(self.byte(), 0, "no tagged field is expected");
    }
}
