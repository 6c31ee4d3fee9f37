package resolve

import "github.com/rind-sockets/rind/compiler/diag"

// Codes of this package.
const (
	DuplicateName    diag.Code = "N2101"
	RedefinedBuiltin diag.Code = "N2102"
	UnknownName      diag.Code = "N2103"
	AmbiguousName    diag.Code = "N2104"
	InvalidAddress   diag.Code = "N2105"
)

// Codes lists the codes of this package.
var Codes = []diag.Info{
	{
		Code: DuplicateName, Severity: diag.Error, Title: "two definitions of one kind with one name",
		Text: `The address of a unit, its group and its name, is unique among the units of its kind. Units of different
kinds may share one.`,
		Wrong: `
[[service]]
name = "web"
run.exec = "/usr/bin/web"

[[service]]
name = "web"
run.exec = "/usr/bin/web2"
`,
		Right: `
[[service]]
name = "web"
run.exec = "/usr/bin/web"

[[service]]
name = "web2"
run.exec = "/usr/bin/web2"
`,
	},
	{
		Code: RedefinedBuiltin, Severity: diag.Error, Title: "a definition that is builtin already",
		Text: `The group rind has builtin states, signals and permissions. A file rind.toml may add to the group; what is
builtin keeps its meaning.`,
		Wrong: `
-- rind.toml --
[[state]]
name = "online"
payload = "none"
`,
		Right: `
-- rind.toml --
[[state]]
name = "uplink"
payload = "none"
`,
	},
	{
		Code: UnknownName, Severity: diag.Error, Title: "a name that is not defined",
		Text: `A name without a group is looked for in the group of the file first, and then in all groups. Nothing is
made by referring to it.`,
		Wrong: `
[[state]]
name = "link"
payload = "none"

[[service]]
name = "web"
run.exec = "/usr/bin/web"
start-on = ["lnik"]
`,
		Right: `
[[state]]
name = "link"
payload = "none"

[[service]]
name = "web"
run.exec = "/usr/bin/web"
start-on = ["link"]
`,
	},
	{
		Code: AmbiguousName, Severity: diag.Error, Title: "a name that is defined in several groups",
		Text: `The group of the file does not define the name, and several others do. The full address says which one is
meant. A name that is both a state and a signal needs the keyword.`,
		Wrong: `
-- lan.toml --
[[state]]
name = "link"
payload = "none"
-- wan.toml --
[[state]]
name = "link"
payload = "none"
-- web.toml --
[[service]]
name = "web"
run.exec = "/usr/bin/web"
start-on = ["link"]
stop-on = ["lan@link", "wan@link"]
`,
		Right: `
-- lan.toml --
[[state]]
name = "link"
payload = "none"
-- wan.toml --
[[state]]
name = "link"
payload = "none"
-- web.toml --
[[service]]
name = "web"
run.exec = "/usr/bin/web"
start-on = ["lan@link"]
stop-on = ["wan@link"]
`,
	},
	{
		Code: InvalidAddress, Severity: diag.Error, Title: "malformed address",
		Text: `An address is group@name, or a name alone. Groups have slashes between their segments.`,
		Wrong: `
[[state]]
name = "link"
payload = "none"

[[service]]
name = "web"
run.exec = "/usr/bin/web"
start-on = [{ state = "link@" }]
`,
		Right: `
[[state]]
name = "link"
payload = "none"

[[service]]
name = "web"
run.exec = "/usr/bin/web"
start-on = [{ state = "link" }]
`,
	},
}
