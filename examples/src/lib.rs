//! What the examples share: the command line and the printing of events
