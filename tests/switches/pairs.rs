//! Rows in which every two values of two factors meet at least once. Greedy: not the fewest rows, but near it, and
//! the same ones at every run.

use std::collections::BTreeSet;

/// Two values that are to meet: factor and value, factor and value; the smaller factor first.
type Pair = ((usize, usize), (usize, usize));

/// For factors with so many values each: rows with one value for each factor.
pub(crate) fn rows(levels: &[usize]) -> Vec<Vec<usize>> {
    let mut missing = all(levels);
    let mut rows = Vec::new();
    while let Some(&((first, one), (second, two))) = missing.first() {
        let mut row: Vec<Option<usize>> = vec![None; levels.len()];
        row[first] = Some(one);
        row[second] = Some(two);
        for factor in 0..levels.len() {
            if row[factor].is_some() {
                continue;
            }
            let gain = |value: usize| {
                let chosen = row.iter().enumerate().filter_map(|(other, chosen)| Some((other, (*chosen)?)));
                chosen.filter(|it| missing.contains(&pair((factor, value), *it))).count()
            };
            // The first of the best; a turn of the row's number keeps ties from always falling to the default.
            let turn = |value: usize| (value + rows.len()) % levels[factor];
            row[factor] = (0..levels[factor]).map(turn).rev().max_by_key(|value| gain(*value));
        }
        let row: Vec<usize> = row.into_iter().map(|value| value.expect("every factor has a value")).collect();
        for met in met(&row) {
            missing.remove(&met);
        }
        rows.push(row);
    }
    rows
}

fn all(levels: &[usize]) -> BTreeSet<Pair> {
    let values = |factor: usize| (0..levels[factor]).map(move |value| (factor, value));
    let mut pairs = BTreeSet::new();
    for first in 0..levels.len() {
        for second in first + 1..levels.len() {
            pairs.extend(values(first).flat_map(|one| values(second).map(move |two| (one, two))));
        }
    }
    pairs
}

fn met(row: &[usize]) -> BTreeSet<Pair> {
    let mut pairs = BTreeSet::new();
    for first in 0..row.len() {
        pairs.extend((first + 1..row.len()).map(|second| ((first, row[first]), (second, row[second]))));
    }
    pairs
}

fn pair(one: (usize, usize), two: (usize, usize)) -> Pair {
    if one.0 < two.0 { (one, two) } else { (two, one) }
}

#[test]
fn every_pair_meets() {
    let levels: Vec<usize> = super::FACTORS.iter().map(|factor| factor.values.len()).collect();
    for levels in [levels.as_slice(), &[2, 2, 2], &[3, 4], &[5, 2, 3, 2]] {
        let rows = rows(levels);
        let met: BTreeSet<Pair> = rows.iter().flat_map(|row| met(row)).collect();
        assert_eq!(met, all(levels));
        assert_eq!(met.len(), levels_in_pairs(levels), "the pairs are counted, not only compared");
        assert_eq!(rows, super::pairs::rows(levels), "the same rows every time");
        let least = levels.iter().flat_map(|one| levels.iter().map(move |two| one * two)).max().unwrap();
        assert!(rows.len() <= 3 * least, "{} rows, and {least} could do", rows.len());
    }
}

fn levels_in_pairs(levels: &[usize]) -> usize {
    (0..levels.len()).map(|first| levels[first + 1..].iter().map(|other| levels[first] * other).sum::<usize>()).sum()
}
