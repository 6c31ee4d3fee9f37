package diag

var keyCodes = []Info{
	{
		Code: UnknownKind, Severity: Error, Title: "unknown kind of unit",
		Text: `A unit file has arrays of tables, and the name of each says what kind of unit its tables are. Anything
else at the top level is a mistake: a misspelled kind would otherwise be a unit that never exists.`,
		Wrong: `
[[sockets]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
`,
		Right: `
[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
`,
	},
	{
		Code: SingleTable, Severity: Error, Title: "a unit that is not an array of tables",
		Text: `Units are written with two pairs of brackets, because a file may have several of a kind. With one pair
the second unit of the file would be a syntax error.`,
		Wrong: `
[service]
name = "web"
run.exec = "/usr/bin/web"
`,
		Right: `
[[service]]
name = "web"
run.exec = "/usr/bin/web"
`,
	},
	{
		Code: IgnoredKind, Severity: Warning, Title: "a kind of unit that only the full Rind init has",
		Text: `Mounts, networks and transport routes are units of the full Rind init. This system does not run them,
and nothing here can depend on them. Keep them in a file of their own that rindc does not read.`,
		Wrong: `
[[mount]]
source = "/dev/sda1"
target = "/data"
`,
		Right: `
[[service]]
name = "data"
run.exec = "/usr/bin/serve-data"
`,
	},
	{
		Code: UnknownKey, Severity: Error, Title: "unknown key",
		Text: `The table has no such key. A key that is ignored in silence is a setting that somebody believes to be
in force, so every key has to be known. Keys are written with dashes.`,
		Wrong: `
[[socket]]
name = "http"
type = "tcp"
lisen = "127.0.0.1:8081"
`,
		Right: `
[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
`,
	},
	{
		Code: ForeignKey, Severity: Error, Title: "a key that only the full Rind init has",
		Text: `The full Rind init connects services and states to transports of its own. This system does not have
them, and a unit that counts on them would not do what its file says.`,
		Wrong: `
[[service]]
name = "web"
run.exec = "/usr/bin/web"
transport = "stdio"
`,
		Right: `
[[service]]
name = "web"
run.exec = "/usr/bin/web"
`,
	},
	{
		Code: WrongType, Severity: Error, Title: "a value of the wrong type",
		Text: `Every key takes values of certain TOML types, and nothing is converted: "false" in quotes is a string
and not false.`,
		Wrong: `
[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
enabled = "false"
`,
		Right: `
[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
enabled = false
`,
	},
	{
		Code: MissingKey, Severity: Error, Title: "a required key is missing",
		Text: `Some keys have no sensible default.`,
		Wrong: `
[[socket]]
name = "http"
type = "tcp"
`,
		Right: `
[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
`,
	},
	{
		Code: UnknownValue, Severity: Error, Title: "a value that is not one of the allowed ones",
		Text: `The key takes one of a few words, which are compared as they are: case matters.`,
		Wrong: `
[[state]]
name = "link"
payload = "JSON"
`,
		Right: `
[[state]]
name = "link"
payload = "json"
`,
	},
	{
		Code: EmptyValue, Severity: Error, Title: "a value that must not be empty",
		Text: `An empty value cannot be meant: leave the key out, or write what it is for.`,
		Wrong: `
[[service]]
name = "web"
run = []
`,
		Right: `
[[service]]
name = "web"
run = [{ exec = "/usr/bin/web" }]
`,
	},
	{
		Code: NoCondition, Severity: Error, Title: "a condition without a state or signal",
		Text: `A condition tests the payload or the branch of a state or signal, so it has to name one.`,
		Wrong: `
[[service]]
name = "web"
run.exec = "/usr/bin/web"
start-on = [{ target = "up" }]
`,
		Right: `
[[state]]
name = "link"
payload = "string"

[[service]]
name = "web"
run.exec = "/usr/bin/web"
start-on = [{ state = "link", target = "up" }]
`,
	},
	{
		Code: NotOneTest, Severity: Error, Title: "a test that is not exactly one of binary, contains, as",
		Text: `A test in a table is one of "contains", "as" and "binary". For several, write several conditions.`,
		Wrong: `
[[state]]
name = "link"
payload = "json"

[[service]]
name = "web"
run.exec = "/usr/bin/web"
start-on = [{ state = "link", target = { contains = "up", as = { id = "eth0" } } }]
`,
		Right: `
[[state]]
name = "link"
payload = "json"

[[service]]
name = "web"
run.exec = "/usr/bin/web"
start-on = [
  { state = "link", target = { contains = "up" } },
  { state = "link", target = { as = { id = "eth0" } } },
]
`,
	},
	{
		Code: NoJSONForm, Severity: Error, Title: "a value that has no JSON form",
		Text: `Payloads that are tables or arrays become JSON, which has neither dates nor the numbers inf and nan.`,
		Wrong: `
[[signal]]
name = "backup"
payload = "json"

[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
on-start = [{ signal = "backup", payload = { since = 2026-01-31 } }]
`,
		Right: `
[[signal]]
name = "backup"
payload = "json"

[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
on-start = [{ signal = "backup", payload = { since = "2026-01-31" } }]
`,
	},
	{
		Code: OutOfRange, Severity: Error, Title: "a number that is out of range",
		Text: `The number is smaller or larger than anything that the key can mean.`,
		Wrong: `
[[socket]]
name = "admin"
type = "uds"
listen = "/run/admin.sock"
permissions = [70000]
`,
		Right: `
[[socket]]
name = "admin"
type = "uds"
listen = "/run/admin.sock"
permissions = [1000]
`,
	},
	{
		Code: NewerSpelling, Severity: Error, Title: "a spelling of newer Rind versions",
		Text: `Newer versions of Rind say facet for a state and impulse for a signal. Unit files of this system have
the older words, so that one file does not mix the two.`,
		Wrong: `
[[facet]]
name = "link"
payload = "none"
`,
		Right: `
[[state]]
name = "link"
payload = "none"
`,
	},
	{
		Code: InvalidValue, Severity: Error, Title: "a value of the wrong form",
		Text: `The string is no duration, path, umask or whatever the key takes. A duration has a number and a unit
each: d, h, m, s, ms or us.`,
		Wrong: `
[[service]]
name = "web"
run.exec = "/usr/bin/web"
stop = { timeout = "5 minutes" }
`,
		Right: `
[[service]]
name = "web"
run.exec = "/usr/bin/web"
stop = { timeout = "5m" }
`,
	},
	{
		Code: Contradiction, Severity: Error, Title: "keys of a table that do not go together",
		Text: `One of the keys already says what the other would, or the other means nothing beside it.`,
		Wrong: `
[[variable]]
name = "web"
default = { exec = "/usr/bin/web" }

[[service]]
name = "web"
run = { exec = "/usr/bin/web", variable = "web" }
`,
		Right: `
[[variable]]
name = "web"
default = { exec = "/usr/bin/web" }

[[service]]
name = "web"
run = { variable = "web" }
`,
	},
}
