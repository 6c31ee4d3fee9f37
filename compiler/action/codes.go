package action

import "github.com/rind-sockets/rind/compiler/diag"

// Codes of this package.
const (
	NoAction       diag.Code = "K1201"
	SeveralActions diag.Code = "K1202"
	WrongKey       diag.Code = "K1203"
	EmptyCommand   diag.Code = "K1204"
	InvalidCommand diag.Code = "K1205"

	WrongPayload    diag.Code = "T3201"
	NoPayload       diag.Code = "T3202"
	IncompleteState diag.Code = "T3203"

	InvalidReference diag.Code = "T3205"
	PathOfNonJSON    diag.Code = "T3206"
	NoAccess         diag.Code = "T3207"
	DataOfOwned      diag.Code = "T3208"
)

// Codes lists the codes of this package.
var Codes = []diag.Info{
	{
		Code: NoAction, Severity: diag.Error, Title: "a trigger without an action",
		Text: `A trigger has one key that says what to do: script, exec, state, signal, service, timer or socket. The
others only say how.`,
		Wrong: `
[[signal]]
name = "go"
payload = "string"

[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
on-start = [{ payload = "now" }]
`,
		Right: `
[[signal]]
name = "go"
payload = "string"

[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
on-start = [{ signal = "go", payload = "now" }]
`,
	},
	{
		Code: SeveralActions, Severity: diag.Error, Title: "a trigger with several actions",
		Text: `One trigger does one thing. Several are several tables of the list, which run in order.`,
		Wrong: `
[[signal]]
name = "go"
payload = "none"

[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
on-start = [{ signal = "go", script = "logger open" }]
`,
		Right: `
[[signal]]
name = "go"
payload = "none"

[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
on-start = [{ signal = "go" }, { script = "logger open" }]
`,
	},
	{
		Code: WrongKey, Severity: diag.Error, Title: "a key that does not go with the action",
		Text: `The key belongs to another action and would do nothing here.`,
		Wrong: `
[[signal]]
name = "go"
payload = "none"

[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
on-start = [{ signal = "go", args = ["now"] }]
`,
		Right: `
[[signal]]
name = "go"
payload = "string"

[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
on-start = [{ signal = "go", payload = "now" }]
`,
	},
	{
		Code: EmptyCommand, Severity: diag.Error, Title: "an action without a command",
		Text: `There is nothing to run.`,
		Wrong: `
[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
on-start = [{ exec = "" }]
`,
		Right: `
[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
on-start = [{ exec = "/usr/bin/true" }]
`,
	},
	{
		Code: InvalidCommand, Severity: diag.Error, Title: "a command that cannot be run",
		Text: `A command is an absolute path, or a name without a slash that is searched in the PATH of rindrun. Where a
relative path leads to would depend on where the daemon was started.`,
		Wrong: `
[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
on-start = [{ exec = "bin/notify" }]
`,
		Right: `
[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
on-start = [{ exec = "/opt/app/bin/notify" }]
`,
	},
	{
		Code: WrongPayload, Severity: diag.Error, Title: "a payload of another type than its target",
		Text: `A state or signal takes payloads of one kind. Tables and arrays are json, strings are string or bytes,
numbers and booleans may be either json or string.`,
		Wrong: `
[[signal]]
name = "go"
payload = "string"

[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
on-start = [{ signal = "go", payload = { why = "open" } }]
`,
		Right: `
[[signal]]
name = "go"
payload = "json"

[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
on-start = [{ signal = "go", payload = { why = "open" } }]
`,
	},
	{
		Code: NoPayload, Severity: diag.Error, Title: "a missing payload",
		Text: `Only a state or signal whose payload is none is set without one.`,
		Wrong: `
[[signal]]
name = "go"
payload = "string"

[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
on-start = [{ signal = "go" }]
`,
		Right: `
[[signal]]
name = "go"
payload = "string"

[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
on-start = [{ signal = "go", payload = "open" }]
`,
	},
	{
		Code: IncompleteState, Severity: diag.Error, Title: "a json state without its branch keys",
		Text: `The branch keys of a json payload say which branch of the state is set, so all of them have to be there.`,
		Wrong: `
[[state]]
name = "link"
payload = "json"
branch = ["name"]

[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
on-start = [{ state = "link", payload = { up = true } }]
`,
		Right: `
[[state]]
name = "link"
payload = "json"
branch = ["name"]

[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
on-start = [{ state = "link", payload = { name = "eth0", up = true } }]
`,
	},
	{
		Code: InvalidReference, Severity: diag.Error, Title: "a malformed payload reference",
		Text: `A reference is the text of { from = "…" }: "state:group@name/path", "var:name", or "access:" and what is known
of an access, which is socket, local, remote, uid, gid, pid and data.`,
		Wrong: `
[[signal]]
name = "note"
payload = "json"

[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
trigger = [{ signal = "note", payload = { user = { from = "access:user" } } }]
`,
		Right: `
[[signal]]
name = "note"
payload = "json"

[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
trigger = [{ signal = "note", payload = { user = { from = "access:uid" } } }]
`,
	},
	{
		Code: PathOfNonJSON, Severity: diag.Error, Title: "a path into a state that is not json",
		Text: `A path leads to a value inside a json document. A state of another kind can only be read as a whole.`,
		Wrong: `
[[state]]
name = "link"
payload = "string"

[[signal]]
name = "note"
payload = "string"

[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
on-start = [{ signal = "note", payload = { from = "state:link/name" } }]
`,
		Right: `
[[state]]
name = "link"
payload = "json"

[[signal]]
name = "note"
payload = "string"

[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
on-start = [{ signal = "note", payload = { from = "state:link/name" } }]
`,
	},
	{
		Code: NoAccess, Severity: diag.Error, Title: "a reference to an access where there is none",
		Text: `An access runs the trigger list of its socket. Hooks and timers run for other reasons, so there is nothing to
read.`,
		Wrong: `
[[signal]]
name = "note"
payload = "json"

[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
on-start = [{ signal = "note", payload = { uid = "access:uid" } }]
`,
		Right: `
[[signal]]
name = "note"
payload = "json"

[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
trigger = [{ signal = "note", payload = { uid = "access:uid" } }]
`,
	},
	{
		Code: DataOfOwned, Severity: diag.Error, Title: "the data of an access that is left to the owner",
		Text: `What a client sends belongs to the owner of the socket, which reads it. Only of a socket without owner does the
runtime read anything.`,
		Wrong: `
[[signal]]
name = "note"
payload = "bytes"

[[service]]
name = "web"
run.exec = "/usr/bin/web"

[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
owner = "web"
trigger = [{ signal = "note", payload = { from = "access:data" } }]
`,
		Right: `
[[signal]]
name = "note"
payload = "bytes"

[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
trigger = [{ signal = "note", payload = { from = "access:data" } }]
`,
	},
}
