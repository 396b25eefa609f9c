//! What the arrays of a launch are called in Slurm's queue.

/// The name of the array that counts from shard `offset` on. The offset is part of it: `squeue` tells a task's number, not
/// what the script was given.
pub(crate) fn array_name(job_name: &str, offset: u32) -> String {
    match offset {
        0 => job_name.to_owned(),
        offset => format!("{job_name}+{offset}"),
    }
}

/// The shard of an array's task 0, by the array's name; `None` if it is no array of this launch.
pub(crate) fn array_offset(job_name: &str, name: &str) -> Option<u32> {
    match name.strip_prefix(job_name)? {
        "" => Some(0),
        rest => rest.strip_prefix('+')?.parse().ok(),
    }
}
