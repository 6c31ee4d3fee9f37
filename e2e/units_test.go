package e2e

import "fmt"

// oneOwner is a tcp socket at $IP:7001 and its owner; further keys of both are
// given.
func oneOwner(socket, service string) string {
	return fmt.Sprintf(`
-- web.toml --
[[socket]]
name = "http"
type = "tcp"
listen = "$IP:7001"
owner = "app"
%s

[[service]]
name = "app"
%s
`, socket, service)
}

// ownedIn is a socket "in" of any kind whose owner an access starts; further keys of
// the owner are given.
func ownedIn(kind, listen, options, service string) string {
	return fmt.Sprintf(`
-- web.toml --
[[socket]]
name = "in"
type = %q
listen = %q
options = { %s }
owner = "app"
lifecycle = "owned"

[[service]]
name = "app"
%s
`, kind, listen, options, service)
}

const probeService = `run = { exec = "$PROBE", args = ["-id", "app", "-report", "$REPORT"] }`

// neverAccepts is a service that leaves every connection in the queue.
const neverAccepts = `run = { exec = "sh", args = ["-c", "exec sleep 1000"] }`
