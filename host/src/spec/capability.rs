//! The names of capabilities: capabilities(7).

/// Those of Linux 6.x, without their `CAP_`.
const KNOWN: [&str; 41] = [
    "AUDIT_CONTROL",
    "AUDIT_READ",
    "AUDIT_WRITE",
    "BLOCK_SUSPEND",
    "BPF",
    "CHECKPOINT_RESTORE",
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "IPC_LOCK",
    "IPC_OWNER",
    "KILL",
    "LEASE",
    "LINUX_IMMUTABLE",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "MKNOD",
    "NET_ADMIN",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_RAW",
    "PERFMON",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYSLOG",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_CHROOT",
    "SYS_MODULE",
    "SYS_NICE",
    "SYS_PACCT",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "WAKE_ALARM",
];

/// The names of all, without their `CAP_`.
pub(crate) fn known() -> impl Iterator<Item = &'static str> {
    KNOWN.into_iter()
}

/// Whether there is a capability of this name, in capitals or not, with its `CAP_` or without.
pub(crate) fn is_known(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    KNOWN.contains(&name.strip_prefix("CAP_").unwrap_or(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_in_every_spelling_and_no_others_are() {
        assert!(["NET_ADMIN", "net_raw", "CAP_SYS_PTRACE", "cap_bpf"].into_iter().all(is_known));
        assert!(!["SYS_ADMINN", "FOO", "", "CAP_", "CAP_CAP_BPF", "ALL"].into_iter().any(is_known));
    }
}
