package unit

import (
	"strings"
	"unicode"
)

// Elsewhere returns what to write for a key that other systems have and this table does
// not: systemd, s6, inetd, Docker Compose and the like. It is "" for all others.
func (t *Table) Elsewhere(key string) (help string) {
	plain := plainKey(key)
	for i := range t.Fields {
		if plainKey(t.Fields[i].Key) == plain {
			return "" // misspelt, which others can say better
		}
	}
	meant, ok := elsewhere[t.Name][plain]
	if !ok {
		meant, ok = t.pathOf(plain)
	}
	switch {
	case !ok:
		return ""
	case strings.Contains(meant, " "):
		return meant
	}
	return "write `" + meant + "`"
}

// pathOf returns the path run.exec for a plain key such as runexec.
func (t *Table) pathOf(plain string) (path string, ok bool) {
	for i := range t.Fields {
		inner, table := t.Fields[i].Table()
		rest, outer := strings.CutPrefix(plain, plainKey(t.Fields[i].Key))
		if !table || !outer {
			continue
		}
		for j := range inner.Fields {
			if plainKey(inner.Fields[j].Key) == rest {
				return t.Fields[i].Key + "." + inner.Fields[j].Key, true
			}
		}
	}
	return "", false
}

// plainKey makes one of ExecStart, exec-start and exec_start.
func plainKey(key string) string {
	return strings.Map(func(r rune) rune {
		if r == '-' || r == '_' {
			return -1
		}
		return unicode.ToLower(r)
	}, key)
}

const (
	noDescription = "write a comment: nothing shows a description"
	noCalendar    = "a timer has no calendar: write `duration`, the time from its start to its end"
	ordering      = "write `after = [ … ]`: this service waits until those are active"
	noStart       = "leave it out: a service starts by `start-on`, a trigger or an access, and `rindrun start` starts it by hand"
	opensSocket   = "write a `[[socket]]` with this service as its `owner`"
)

// elsewhere has for each table the keys of other systems, plain, and what they are
// here: a key, or words.
var elsewhere = map[string]map[string]string{
	"socket": {
		"address": "listen", "bind": "listen", "endpoint": "listen", "host": "listen", "path": "listen", "port": "listen",
		"listenstream": "listen", "listendatagram": "listen", "listenpacket": "listen",
		"protocol": "type", "transport": "type",
		"service": "owner", "server": "owner",
		"filedescriptorname": "fd-name",
		"maxconnections":     "limits.max-connections", "maxconnectionspersource": "limits.per-source", "instances": "limits.max-connections",
		"triggerlimitburst": "limits.trigger.burst", "triggerlimitintervalsec": "limits.trigger.interval",
		"wait":  "write `accept = true` for a process of each connection, which is what `wait = no` means",
		"users": "permissions", "allow": "permissions", "groups": "permissions",
		"description": noDescription,

		"backlog": "options.backlog", "binddevice": "options.bind-device", "bindtodevice": "options.bind-device",
		"broadcast": "options.broadcast", "congestion": "options.congestion", "deferaccept": "options.defer-accept",
		"deferacceptsec": "options.defer-accept", "directorymode": "options.dir-mode", "dirmode": "options.dir-mode",
		"dirgroup": "options.dir-group", "diruser": "options.dir-user", "fastopen": "options.fast-open", "freebind": "options.freebind",
		"group": "options.group", "keepalive": "options.keepalive", "keepalivetimesec": "options.keepalive.time",
		"keepaliveintervalsec": "options.keepalive.interval", "keepaliveprobes": "options.keepalive.probes",
		"kind": "options.kind", "mark": "options.mark", "mode": "options.mode", "mptcp": "options.mptcp",
		"multicast": "options.multicast", "nodelay": "options.no-delay", "packetinfo": "options.packet-info",
		"passpacketinfo": "options.packet-info", "passcredentials": "options.pass-credentials", "passsecurity": "options.pass-security",
		"priority": "options.priority", "receivebuffer": "options.receive-buffer", "removeonstop": "options.remove-on-stop",
		"reuseport": "options.reuse-port", "sendbuffer": "options.send-buffer", "socketgroup": "options.group",
		"socketmode": "options.mode", "socketuser": "options.user", "symlinks": "options.symlinks", "timestamping": "options.timestamping",
		"tos": "options.tos", "iptos": "options.tos", "trafficclass": "options.traffic-class", "transparent": "options.transparent",
		"ttl": "options.ttl", "ipttl": "options.ttl", "user": "options.user", "usertimeout": "options.user-timeout",
		"v6only": "options.v6only", "bindipv6only": "options.v6only",
	},
	"service": {
		"execstart": "run.exec", "command": "run.exec", "cmd": "run.exec", "entrypoint": "run.exec", "program": "run.exec",
		"binary": "run.exec", "path": "run.exec", "arguments": "run.args",
		"environment": "env", "envs": "env", "environmentfile": "env-file", "envfiles": "env-file",
		"workingdirectory": "working-dir", "workdir": "working-dir", "cwd": "working-dir", "directory": "working-dir", "chdir": "working-dir",
		"dependson": ordering, "requires": ordering, "wants": ordering, "requisite": ordering, "bindsto": ordering, "needs": ordering,
		"before":       "list this service in `after` of the other one",
		"execstartpre": "on-start", "execstartpost": "on-start", "execstop": "on-stop", "execstoppost": "on-stop",
		"restartsec": "restart.backoff", "startlimitburst": "restart.max_retries", "maxretries": "restart.max_retries", "retries": "restart.max_retries",
		"killsignal": "stop.signal", "timeoutstopsec": "stop.timeout", "stopsignal": "stop.signal", "stoptimeout": "stop.timeout",
		"stopgraceperiod": "stop.timeout", "timeoutkill": "stop.timeout",
		"type": "write `ready = \"notify\"` for a service that says when it is ready", "notify": "ready", "notificationfd": "ready",
		"watchdogsec":    "watchdog.interval",
		"standardoutput": "stdout", "standarderror": "stderr", "log": "stdout", "logfile": "stdout", "logging": "stdout",
		"uid": "user", "runas": "user", "gid": "group",
		"limitnofile": "limits.nofile", "limitcore": "limits.core", "limitnproc": "limits.nproc", "ulimits": "limits", "limitmemlock": "limits.memlock",
		"ambientcapabilities": "capabilities", "capabilityboundingset": "capabilities", "capadd": "capabilities",
		"ports": opensSocket, "port": opensSocket, "listen": opensSocket, "socket": opensSocket, "sockets": opensSocket, "expose": opensSocket,
		"enabled": noStart, "enable": noStart, "autostart": noStart, "disabled": noStart,
		"nice": "start the program through nice(1)", "oomscoreadjust": "start the program through choom(1)",
		"ioschedulingclass": "start the program through ionice(1)", "cpuaffinity": "start the program through taskset(1)",
		"pidfile":     "remove it: a service is the process that is started, and not one that it leaves behind",
		"description": noDescription,
	},
	"state": {
		"type": "payload", "kind": "payload", "keys": "branch", "branches": "branch", "branchkeys": "branch",
		"persist": "remove it: a state survives a restart unless it has `impermanent = true`", "persistent": "remove it: a state survives a restart unless it has `impermanent = true`",
		"default": "remove it: a state is not set to begin with", "value": "remove it: a state is not set to begin with",
		"initial": "remove it: a state is not set to begin with", "description": noDescription,
		"activateon": "after", "activateonall": "after", "activateonany": "after", "starton": "after", "when": "after", "requires": "after",
		"stopon": "write `after` with conditions that end: the state ends with them", "deactivateon": "write `after` with conditions that end: the state ends with them",
	},
	"signal": {
		"type": "payload", "kind": "payload", "on": "after", "when": "after", "starton": "after", "emiton": "after", "description": noDescription,
	},
	"timer": {
		"every": "write `duration`, and `repeat = true`", "interval": "write `duration`, and `repeat = true`", "period": "write `duration`, and `repeat = true`",
		"onunitactivesec": "write `duration`, and `repeat = true`", "onactivesec": "duration", "onbootsec": "duration", "timeout": "duration", "delay": "duration", "seconds": "duration",
		"oncalendar": noCalendar, "cron": noCalendar, "schedule": noCalendar, "at": noCalendar,
		"unit": "finish", "service": "finish", "trigger": "finish", "triggers": "finish", "onfinish": "finish", "action": "finish", "actions": "finish", "run": "finish", "exec": "finish",
		"starton": "after", "description": noDescription,
	},
	"permission": {
		"uid": "users", "uids": "users", "user": "users", "members": "users", "gid": "groups", "gids": "groups", "inherits": "links", "description": noDescription,
	},
	"variable": {
		"value": "default", "environment": "env", "envvar": "env", "description": noDescription,
	},
	"trigger": {
		"emit": "signal", "event": "signal", "set": "state", "setstate": "state",
		"start": "write `service`, `socket` or `timer`", "unit": "write `service`, `socket` or `timer`", "restart": "write `service`: it starts one that does not run",
		"run": "exec", "command": "exec", "cmd": "exec", "program": "exec", "shell": "script", "sh": "script", "bash": "script",
		"arguments": "args", "data": "payload", "value": "payload", "clear": "remove", "unset": "remove", "delete": "remove",
	},
	"condition": {
		"name": "write `state` or `signal`", "event": "signal", "and": "all", "or": "any", "none": "not",
		"value": "target", "payload": "target", "equals": "target", "is": "target", "key": "branch",
		"as": "write `target = { as = { … } }`", "contains": "write `target = { contains = \"…\" }`", "binary": "write `target = { binary = true }`",
	},
	"restart": {
		"delay": "backoff", "sec": "backoff", "interval": "backoff", "retries": "max_retries", "max": "max_retries", "attempts": "max_retries",
		"policy": "write `restart = true`, or a table with `max_retries`", "always": "write `restart = true`", "onfailure": "write `max_retries`: a restart happens on failure then",
	},
	"stop": {
		"killsignal": "signal", "sig": "signal", "grace": "timeout", "timeoutstopsec": "timeout",
	},
	"watchdog": {
		"timeout": "interval", "sec": "interval",
	},
}
