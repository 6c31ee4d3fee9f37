package diag

import "strings"

var nameCodes = []Info{
	{
		Code: InvalidName, Severity: Error, Title: "invalid name",
		Text: `Names are part of addresses, file names, environment variables and log lines. They have the characters
A-Z a-z 0-9 _ . - and at most 200 bytes.`,
		Wrong: `
[[socket]]
name = "web server"
type = "tcp"
listen = "127.0.0.1:8081"
`,
		Right: `
[[socket]]
name = "web-server"
type = "tcp"
listen = "127.0.0.1:8081"
`,
	},
}

var syntaxCodes = []Info{
	{
		Code: InvalidTOML, Severity: Error, Title: "invalid TOML",
		Text: `The file is not TOML 1.1. One error is reported for each unit, and the sound units of the file are
still checked.`,
		Wrong: `
[[service]]
name = "web
run.exec = "/usr/bin/web"
`,
		Right: `
[[service]]
name = "web"
run.exec = "/usr/bin/web"
`,
	},
	{
		Code: NotText, Severity: Error, Title: "not a UTF-8 text file",
		Text: `Unit files are UTF-8 without NUL bytes. Files in other encodings, and files that are not text at all,
are refused as a whole.`,
		Wrong: `
[[service]]
name = "web"
run.exec = "/usr/bin/caf` + "\xe9" + `"
`,
		Right: `
[[service]]
name = "web"
run.exec = "/usr/bin/café"
`,
	},
	{
		Code: ExtendedTable, Severity: Error, Title: "a finished table or array is extended",
		Text: `An inline table and an array are complete where they are written. TOML forbids to add to them later,
which would hide a part of the value from the reader.`,
		Wrong: `
[[service]]
name = "web"
run = { exec = "/usr/bin/web" }
run.args = ["-v"]
`,
		Right: `
[[service]]
name = "web"
run = { exec = "/usr/bin/web", args = ["-v"] }
`,
	},
	{
		Code: UnusedIgnore, Severity: Warning, Title: "a suppression comment that suppresses nothing",
		Text: `A comment "# rindc:ignore CODE reason" stands at the end of a line, above a line, above a unit, or at
the top of the file, and hides what is reported with that code there. If nothing is, it would hide the
next mistake: remove it. It is only reported when there are no errors, which could be the reason.`,
		Wrong: `
# rindc:ignore K1303 both are called main on purpose
[[socket]]
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
		Code: InvalidIgnore, Severity: Error, Title: "a suppression comment that is not complete, or must not be",
		Text: `A suppression comment names one code, which must exist and may be ignored, and says why: the next
reader needs the reason. Warnings and notes can be ignored. Errors cannot, since there is no plan with them.`,
		Wrong: `
[[mount]] # rindc:ignore K1003
source = "/dev/sda1"
`,
		Right: `
[[mount]] # rindc:ignore K1003 the init of the rescue system reads this file too
source = "/dev/sda1"
`,
	},
}

var limitCodes = []Info{
	{
		Code: FileTooLarge, Severity: Error, Title: "file too large",
		Text: `A unit file has at most 16 MiB. Split it: the group of a unit is the path of its file.`,
	},
	{
		Code: NestedTooDeep, Severity: Error, Title: "nested too deeply",
		Text: `Arrays and inline tables nest at most 64 levels deep. No key of a unit needs more than a few.`,
		Wrong: `
[[service]]
name = "web"
run.exec = "/usr/bin/web"
run.args = ` + strings.Repeat("[", 65) + strings.Repeat("]", 65) + `
`,
		Right: `
[[service]]
name = "web"
run.exec = "/usr/bin/web"
run.args = []
`,
	},
	{
		Code: TooManyParts, Severity: Error, Title: "a dotted key with too many parts",
		Text: `A dotted key has at most 32 parts. No table of a unit is that deep.`,
		Wrong: `
[[service]]
name = "web"
run.exec = "/usr/bin/web"
env` + strings.Repeat(".a", 32) + ` = "1"
`,
		Right: `
[[service]]
name = "web"
run.exec = "/usr/bin/web"
env.a = "1"
`,
	},
	{
		Code: TooManyKeys, Severity: Error, Title: "too many keys",
		Text: `The keys of one file have at most 8,388,608 parts in all, each counted with the keys around it. Split
the file.`,
	},
	{
		Code: DecoderFailure, Severity: Error, Title: "the TOML decoder failed",
		Text: `The decoder found itself in a state that should not be possible. This is a mistake of rindc: please
report it together with the file.`,
	},
	{
		Code: TooManyTables, Severity: Error, Title: "too many tables",
		Text: `One file has at most 1,000,000 tables, since a plan can have no more units. Split the units into
several plans.`,
	},
	{
		Code: TooManyErrors, Severity: Error, Title: "more errors than are reported",
		Text: `The first 100 errors of a unit are reported, and then how many more there are. Of units that are no valid
TOML, a file can have 1,000: those behind them are not looked at. Fix the others first.`,
	},
	{
		Code: TooManyIgnores, Severity: Error, Title: "too many suppression comments",
		Text: `A file has at most 10,000 suppression comments. One at the top of the file hides a code in all of it.`,
	},
	{
		Code: TooManyFindings, Severity: Error, Title: "more findings than are reported",
		Text: `Of each code, the first 1,000 errors and the first 10,000 warnings and notes are reported, and then how many
more there are. It is a warning or a note if no error is among those.`,
	},
	{
		Code: TooManyValues, Severity: Error, Title: "too many values in a unit",
		Text: `A unit has at most 100,000 keys and array elements, those of its tables included. Data of that size belongs
into a file that the service reads.`,
	},
	{
		Code: GaveUp, Severity: Error, Title: "too many errors in one file",
		Text: `After 10,000 errors, the rest of a large file is not looked at. It may not be a unit file at all.`,
	},
}
