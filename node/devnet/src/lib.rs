//! A mesh of node processes on one machine: the main job, its workload and its traces.
