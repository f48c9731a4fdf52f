//! A million feeds, on paper: what bounds them, from what one host was measured to do.
//!
//! # What was measured
//!
//! Two cores of an AMD EPYC, which others used as well, at a lower priority; the processors' time
//! is what can be compared. `nats-server` 2.9.10 on the same two cores, files on a local disk;
//! events of about 600 bytes over plain http and server-sent events.
//!
//! ```console
//! $ cargo run --profile bench -p restless-relay --features nats --example speed
//! ```
//!
//! | store | feeds | events a second | processor, an event | of that the store's server |
//! | --- | --- | --- | --- | --- |
//! | none: reading alone, the emulator's share included | 1 | 125,700 | 5.4 µs | |
//! | SQLite | 1 | 49,800 | 8.6 µs | |
//! | files of NDJSON | 1 | 90,800 | 5.4 µs | |
//! | NATS JetStream | 1 | 7,000 | 152 µs | 96 µs |
//! | NATS JetStream | 8 | 23,200 | 42 µs | 26 µs |
//!
//! With `nats-server` 2.15.1, which stores a batch by one answer, the same command on another day
//! and quiet cores: 40,300 a second in one feed (28 µs an event, 18 µs of that the server's), and
//! 49,800 in eight (24 µs and 15 µs); with 2.9.10 there 5,600 (200 µs and 132 µs) and 21,400 (61 µs
//! and 38 µs).
//!
//! A feed waits for the answer to each message, for the next message names it as the last. One feed
//! is therefore bound by the way to the server and back, and many feeds by the processors. Leases:
//! 30,500 renewals a second, at 21 µs of the server each. A subject with a message takes about 200
//! bytes of the server's memory (200,000 of them were measured). An idle subscription takes 5 KiB
//! of the worker's memory, and a subscription that was just read from takes up to 25 KiB, TLS not
//! counted.
//!
//! # What bounds a million
//!
//! | what | for each feed | a million | bound by | so |
//! | --- | --- | --- | --- | --- |
//! | connections | one | 1,000,000 | 28,000 ports of a host's address to one address of the service as Linux is set, 64,000 at most; as many open files | 20 hosts with 50,000 each |
//! | memory of workers | 5 to 25 KiB | 5 to 25 GB | | 0.25 to 1.25 GB on each of 20 |
//! | publishes | one an event, and one for the position of a batch | two an event, as long as a batch has one event | 38,000 a second for each core of the server | an event a minute in each feed is 17,000 a second, 33,000 publishes: two streams, on two servers |
//! | leases | four renewals in a lease's time | 400,000 a second with 10 s | 45,000 a second for each core of the server | a lease of 5 min: 13,300 a second; a worker that died is missed for as long |
//! | watches | each renewal goes to each worker | 267,000 messages a second to 20 workers with 5 min | the network, and each worker's own core | the list in 20 parts, a bucket for each, two or three workers on a part: 2,000 a second in each |
//! | memory of the servers | three subjects: events, position, lease | 600 MB | | no bound |
//!
//! A million feeds that bring an event a minute are therefore some 20 workers and three servers.
//! The operator cuts the list of feeds into parts ([`Worker::bucket`](super::Worker::bucket) names
//! a part's leases): a watch of all leases by all workers grows fastest, by their product.
//!
//! A million feeds were not tried. The most in one test are a thousand subscriptions on one client,
//! and 50,000 leases in one bucket. Clusters of servers, whose replicas make each publish dearer,
//! were left out too.
