package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// capabilities lists the kernel's capabilities in the order of their numbers.
var capabilities = strings.Fields(`
	CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_KILL CAP_SETGID CAP_SETUID
	CAP_SETPCAP CAP_LINUX_IMMUTABLE CAP_NET_BIND_SERVICE CAP_NET_BROADCAST CAP_NET_ADMIN CAP_NET_RAW
	CAP_IPC_LOCK CAP_IPC_OWNER CAP_SYS_MODULE CAP_SYS_RAWIO CAP_SYS_CHROOT CAP_SYS_PTRACE CAP_SYS_PACCT
	CAP_SYS_ADMIN CAP_SYS_BOOT CAP_SYS_NICE CAP_SYS_RESOURCE CAP_SYS_TIME CAP_SYS_TTY_CONFIG CAP_MKNOD
	CAP_LEASE CAP_AUDIT_WRITE CAP_AUDIT_CONTROL CAP_SETFCAP CAP_MAC_OVERRIDE CAP_MAC_ADMIN CAP_SYSLOG
	CAP_WAKE_ALARM CAP_BLOCK_SUSPEND CAP_AUDIT_READ CAP_PERFMON CAP_BPF CAP_CHECKPOINT_RESTORE`)

// bounding is a set of capabilities, bit n standing for the capability with number n.
type bounding uint64

// has reports whether the set holds the capability. A name that is not known here is taken
// as held: the real runc judges it.
func (b bounding) has(name string) bool {
	n := slices.Index(capabilities, strings.ToUpper(name))
	return n < 0 || b&(1<<n) != 0
}

// parseBounding reads the bounding set from the text of a /proc/<pid>/status file.
func parseBounding(status []byte) (bounding, error) {
	lines := bufio.NewScanner(bytes.NewReader(status))
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), "CapBnd:"); ok {
			set, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
			if err != nil {
				return 0, fmt.Errorf("line CapBnd: %w", err)
			}
			return bounding(set), nil
		}
	}
	return 0, errors.Join(errors.New("no line CapBnd"), lines.Err())
}

// dropCapabilities takes the capabilities outside the bounding set out of the object at path in a JSON
// document, whose members are lists of names (bounding, effective, …). All else stays as it is.
func dropCapabilities(document []byte, path []string, set bounding) (after []byte, changed bool, err error) {
	if len(path) > 0 {
		return editMember(document, path[0], func(member []byte) ([]byte, bool, error) {
			return dropCapabilities(member, path[1:], set)
		})
	}
	var lists map[string][]string
	if err := json.Unmarshal(document, &lists); err != nil {
		return nil, false, fmt.Errorf("capabilities: %w", err)
	}
	for kind, names := range lists {
		kept := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !set.has(name) })
		if len(kept) < len(names) {
			lists[kind], changed = kept, true
		}
	}
	if !changed {
		return document, false, nil
	}
	after, err = json.Marshal(lists)
	return after, true, err
}

// editMember replaces one member of a JSON object by what edit makes of it. An object without it, or with
// null there, stays as it is. Members that are not edited keep their text, numbers of any size included.
func editMember(object []byte, name string, edit func([]byte) ([]byte, bool, error)) (after []byte, changed bool, err error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(object, &members); err != nil {
		return nil, false, err
	}
	member, ok := members[name]
	if !ok || string(member) == "null" {
		return object, false, nil
	}
	member, changed, err = edit(member)
	if err != nil || !changed {
		return object, false, err
	}
	members[name] = member
	after, err = json.Marshal(members)
	return after, true, err
}
