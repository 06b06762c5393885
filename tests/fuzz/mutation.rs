//! Changes an input so that it stays nearly right: most of what happens behind a parser is never reached by bytes that
//! are no JSON at all. Deterministic: the same seed makes the same changes.

use std::ops::Range;

/// Numbers at which something ends: of a type, of a limit, of a calendar.
const NUMBERS: &[&str] = &[
    "0",
    "-0",
    "-1",
    "1",
    "127",
    "255",
    "256",
    "65535",
    "2147483647",
    "2147483648",
    "4294967295",
    "4294967296",
    "9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775808",
    "-9223372036854775809",
    "1e308",
    "1e999",
    "-1e-999",
    "0.1",
    "1.0",
    "00",
];

/// Values that are of another type, or that act on what surrounds them.
const VALUES: &[&str] = &[
    "null",
    "true",
    "false",
    "{}",
    "[]",
    "\"\"",
    "\" \"",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "\"\\r\\nx: y\"",
    "\"\\u202e\\u2028\"",
    "\"priya@larkspur.example\"",
    "\"a@b\\u2026@c\"",
    "\"@\"",
    "\"9999-12-31T23:59:59.999999999Z\"",
    "\"9999-12-30T22:00:00Z\"",
    "\"-009999-01-02T01:59:59Z\"",
    "\"2000-01-01T00:00:00Z\"",
    "\"2100-12-31T23:59:59+14:00\"",
    "\"2026-02-29\"",
    "\"9999-12-31\"",
    "\"-009999-01-01\"",
    "\"Europe/Stockholm\"",
    "\"Pacific/Apia\"",
    "\"Mars/Olympus\"",
    "\"00000000-0000-0000-0000-000000000000\"",
    "\"ffffffff-ffff-ffff-ffff-ffffffffffff\"",
];

/// Deepest nesting that is put around a value: more than any decoder takes.
const NESTING_MAX: usize = 140;

/// A source of changes.
#[derive(Debug, Clone)]
pub(crate) struct Mutator {
    state: u64,
}

impl Mutator {
    /// The changes that belong to `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 when there is none.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end.max(1)).unwrap_or(u64::MAX)).unwrap_or(0)
    }

    fn pick<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }

    /// Changes `input` once to eight times, mostly once; `other` is another input, of which parts may be taken.
    pub(crate) fn change(&mut self, input: &mut Vec<u8>, other: &[u8]) {
        let times = 1 + self.next().trailing_ones().min(7);
        for _ in 0..times {
            self.change_once(input, other);
        }
    }

    fn change_once(&mut self, input: &mut Vec<u8>, other: &[u8]) {
        match self.below(16) {
            0 => self.flip(input),
            1 => self.delete(input),
            2 => input.truncate(self.below(input.len())),
            3 => self.repeat(input),
            4 => self.splice(input, other),
            5 => self.insert_byte(input),
            6 | 7 => self.replace_number(input),
            8 | 9 => self.replace_value(input),
            10 => self.repeat_member(input, None),
            11 => self.repeat_member(input, Some(other)),
            12 => self.nest(input),
            13 => self.swap_values(input),
            14 => self.take_value(input, other),
            _ => self.lengthen(input),
        }
    }

    fn flip(&mut self, input: &mut [u8]) {
        let at = self.below(input.len());
        let bit = self.below(8);
        if let Some(byte) = input.get_mut(at) {
            *byte ^= 1 << bit;
        }
    }

    fn insert_byte(&mut self, input: &mut Vec<u8>) {
        const TELLING: &[u8] = b"\0\n\r\t \"\\{}[],:;=@]/%-.\x7f\xc3\xff";
        let at = self.below(input.len() + 1);
        let byte = TELLING[self.below(TELLING.len())];
        input.insert(at, byte);
    }

    fn part(&mut self, of: &[u8], most: usize) -> Range<usize> {
        let start = self.below(of.len());
        let length = self.below((of.len() - start).min(most) + 1);
        start..start + length
    }

    fn delete(&mut self, input: &mut Vec<u8>) {
        let part = self.part(input, 64);
        input.drain(part);
    }

    fn repeat(&mut self, input: &mut Vec<u8>) {
        let part = self.part(input, 128);
        let copy = input[part.clone()].to_vec();
        for _ in 0..=self.below(3) {
            input.splice(part.start..part.start, copy.iter().copied());
        }
    }

    fn splice(&mut self, input: &mut Vec<u8>, other: &[u8]) {
        let taken = self.part(other, 512);
        let replaced = self.part(input, 64);
        input.splice(replaced, other[taken].iter().copied());
    }

    fn replace(&mut self, input: &mut Vec<u8>, kind: Option<Kind>, by: &[u8]) {
        if let Some(span) = self.span(input, kind) {
            input.splice(span, by.iter().copied());
        }
    }

    fn replace_number(&mut self, input: &mut Vec<u8>) {
        let number = self.pick(NUMBERS);
        self.replace(input, Some(Kind::Number), number.as_bytes());
    }

    fn replace_value(&mut self, input: &mut Vec<u8>) {
        let value = self.pick(VALUES);
        self.replace(input, None, value.as_bytes());
    }

    fn take_value(&mut self, input: &mut Vec<u8>, other: &[u8]) {
        if let Some(taken) = self.span(other, None) {
            self.replace(input, None, &other[taken]);
        }
    }

    fn swap_values(&mut self, input: &mut Vec<u8>) {
        let (Some(one), Some(two)) = (self.span(input, None), self.span(input, None)) else { return };
        let (first, second) = if one.start <= two.start { (one, two) } else { (two, one) };
        if first.end <= second.start {
            let (left, right) = (input[first.clone()].to_vec(), input[second.clone()].to_vec());
            input.splice(second, left);
            input.splice(first, right);
        }
    }

    /// A member stands twice in its object, with the same value or with one from elsewhere.
    fn repeat_member(&mut self, input: &mut Vec<u8>, other: Option<&[u8]>) {
        let keys: Vec<Span> = spans(input).into_iter().filter(|span| span.kind == Kind::Key).collect();
        let Some(key) = keys.get(self.below(keys.len())) else { return };
        let value = match other {
            Some(other) => self.span(other, None).map(|span| other[span].to_vec()),
            None => spans(input).iter().find(|span| span.start > key.end).map(|span| input[span.range()].to_vec()),
        };
        let mut member = input[key.range()].to_vec();
        member.push(b':');
        member.extend(value.unwrap_or_else(|| b"0".to_vec()));
        member.push(b',');
        input.splice(key.start..key.start, member);
    }

    fn nest(&mut self, input: &mut Vec<u8>) {
        let levels = 1 + self.below(NESTING_MAX);
        let (open, close) = if self.below(2) == 0 { ("[", "]") } else { ("{\"a\":", "}") };
        if let Some(span) = self.span(input, None) {
            let value = input[span.clone()].to_vec();
            let nested = [open.repeat(levels).as_bytes(), &value, close.repeat(levels).as_bytes()].concat();
            input.splice(span, nested);
        }
    }

    /// A text grows around a limit.
    fn lengthen(&mut self, input: &mut Vec<u8>) {
        const LENGTHS: &[usize] = &[1, 63, 64, 65, 254, 255, 256, 257, 1024, 1025];
        let length = LENGTHS[self.below(LENGTHS.len())];
        let letter = self.pick(&["x", "é", "𝄞"]);
        let texts: Vec<Span> =
            spans(input).into_iter().filter(|span| matches!(span.kind, Kind::Text | Kind::Key)).collect();
        let at = match texts.get(self.below(texts.len())) {
            Some(text) => text.start + 1,
            None => self.below(input.len() + 1),
        };
        input.splice(at..at, letter.repeat(length).into_bytes());
    }

    fn span(&mut self, input: &[u8], kind: Option<Kind>) -> Option<Range<usize>> {
        let fits = |span: &Span| kind.map_or(span.kind != Kind::Key, |kind| span.kind == kind);
        let spans: Vec<Span> = spans(input).into_iter().filter(fits).collect();
        spans.get(self.below(spans.len())).map(Span::range)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Key,
    Text,
    /// `true`, `false` and `null` as well.
    Number,
    /// An object or a list.
    Nest,
}

#[derive(Debug, Clone, Copy)]
struct Span {
    start: usize,
    end: usize,
    kind: Kind,
}

impl Span {
    fn range(&self) -> Range<usize> {
        self.start..self.end
    }
}

/// Where values stand in what may be JSON, in the order of their ends. What is no JSON gives few of them.
fn spans(input: &[u8]) -> Vec<Span> {
    let mut found = Vec::new();
    let mut open = Vec::new();
    let mut at = 0;
    while at < input.len() {
        let start = at;
        match input[at] {
            b'"' => {
                at += 1;
                while at < input.len() && input[at] != b'"' {
                    at += if input[at] == b'\\' { 2 } else { 1 };
                }
                at = (at + 1).min(input.len());
                let is_key = input[at..].iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':');
                found.push(Span { start, end: at, kind: if is_key { Kind::Key } else { Kind::Text } });
            }
            b'{' | b'[' => {
                open.push(at);
                at += 1;
            }
            b'}' | b']' => {
                at += 1;
                if let Some(start) = open.pop() {
                    found.push(Span { start, end: at, kind: Kind::Nest });
                }
            }
            b'-' | b'0'..=b'9' | b'a'..=b'z' => {
                let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
                at += input[at..].iter().take_while(|byte| is_part(byte)).count();
                found.push(Span { start, end: at, kind: Kind::Number });
            }
            _ => at += 1,
        }
    }
    found
}
