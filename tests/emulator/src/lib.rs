//! A Restless Stream server for loopback, with faults on demand
