//! Only the benchmarks beside this file are here.
