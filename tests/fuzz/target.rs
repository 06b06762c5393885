// What every fuzz target is made of; each file of `fuzz_targets/` adds its name.

#[path = "allocation.rs"]
mod allocation;
#[path = "decoders.rs"]
mod decoders;
#[path = "mutation.rs"]
mod mutation;

#[global_allocator]
static ALLOCATOR: allocation::Counting = allocation::Counting;

macro_rules! target {
    ($name:literal) => {
        libfuzzer_sys::fuzz_target!(|input: &[u8]| decoders::run($name, input));

        // Half of the changes are libFuzzer's own, half know what JSON looks like.
        libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
            if seed % 2 == 0 {
                return libfuzzer_sys::fuzzer_mutate(data, size, max_size);
            }
            let mut input = data[..size].to_vec();
            let other = input.clone();
            mutation::Mutator::new(u64::from(seed)).change(&mut input, &other);
            let size = input.len().min(max_size);
            data[..size].copy_from_slice(&input[..size]);
            size
        });
    };
}
