// Package typing gives conditions their typed trees and payloads their types.
package typing

import "github.com/rind-sockets/rind/compiler/diag"

// Codes of this package.
const (
	TwoNames        diag.Code = "K1101"
	EmptyConditions diag.Code = "K1102"

	InvalidCondition diag.Code = "S0201"

	StateNotSignal diag.Code = "T3102"
	EqualityOfNone diag.Code = "T3103"
	ContainsOfNone diag.Code = "T3104"
	AsOfNonJSON    diag.Code = "T3105"
	BinaryOfOther  diag.Code = "T3106"
	NoBranches     diag.Code = "T3107"
	NoBranchKey    diag.Code = "T3108"
	NegatedSignal  diag.Code = "T3109"
	SignalAsLevel  diag.Code = "T3110"
	WrongOperator  diag.Code = "T3111"
	WrongLiteral   diag.Code = "T3112"
	PathOfNonJSON  diag.Code = "T3113"
)

// Codes lists the codes of this package.
var Codes = []diag.Info{
	{
		Code: TwoNames, Severity: diag.Error, Title: "a condition with both a state and a signal",
		Text: `A condition is about one state or one signal. For both, write two conditions: those of a service must all
hold, of those of a socket any.`,
		Wrong: `
[[state]]
name = "link"
payload = "none"

[[signal]]
name = "go"
payload = "none"

[[service]]
name = "web"
run.exec = "/usr/bin/web"
stop-on = [{ state = "link", signal = "go" }]
`,
		Right: `
[[state]]
name = "link"
payload = "none"

[[signal]]
name = "go"
payload = "none"

[[service]]
name = "web"
run.exec = "/usr/bin/web"
stop-on = [{ state = "link" }, { signal = "go" }]
`,
	},
	{
		Code: EmptyConditions, Severity: diag.Error, Title: "an empty list of conditions to start on",
		Text: `It could mean always or never. Leave the key out for a unit that starts with the plan; write "enabled = false"
in a socket that only a command or a trigger starts.`,
		Wrong: `
[[service]]
name = "web"
run.exec = "/usr/bin/web"
start-on = []
`,
		Right: `
[[service]]
name = "web"
run.exec = "/usr/bin/web"
`,
	},
	{
		Code: InvalidCondition, Severity: diag.Error, Title: "a malformed condition",
		Text: `The string is neither a name nor an expression of the condition language: names, "state" and "signal" before
them, "and", "or", "not", "all(…)", "any(…)", parentheses, and behind a name a test of its payload.`,
		Wrong: `
[[state]]
name = "link"
payload = "string"

[[service]]
name = "web"
run.exec = "/usr/bin/web"
start-on = ['link and target == "up"']
`,
		Right: `
[[state]]
name = "link"
payload = "string"

[[service]]
name = "web"
run.exec = "/usr/bin/web"
start-on = ['link(target == "up")']
`,
	},
	{
		Code: StateNotSignal, Severity: diag.Error, Title: "a state condition that names a signal, or the reverse",
		Text: `A state is true for as long as it is set, a signal only while it is delivered. A condition says which of the
two it means, and the name has to be one of that kind.`,
		Wrong: `
[[signal]]
name = "go"
payload = "none"

[[service]]
name = "web"
run.exec = "/usr/bin/web"
start-on = [{ state = "go" }]
`,
		Right: `
[[signal]]
name = "go"
payload = "none"

[[service]]
name = "web"
run.exec = "/usr/bin/web"
start-on = [{ signal = "go" }]
`,
	},
	{
		Code: EqualityOfNone, Severity: diag.Error, Title: "equality on a payload of kind none",
		Text: `A payload of kind none has no text that could be equal to anything.`,
		Wrong: `
[[state]]
name = "link"
payload = "none"

[[service]]
name = "web"
run.exec = "/usr/bin/web"
start-on = [{ state = "link", target = "up" }]
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
		Code: ContainsOfNone, Severity: diag.Error, Title: "contains on a payload of kind none",
		Text: `A payload of kind none has no text that could contain anything.`,
		Wrong: `
[[state]]
name = "link"
payload = "none"

[[service]]
name = "web"
run.exec = "/usr/bin/web"
start-on = [{ state = "link", target = { contains = "up" } }]
`,
		Right: `
[[state]]
name = "link"
payload = "string"

[[service]]
name = "web"
run.exec = "/usr/bin/web"
start-on = [{ state = "link", target = { contains = "up" } }]
`,
	},
	{
		Code: AsOfNonJSON, Severity: diag.Error, Title: "as on a payload that is not json",
		Text: `"as" compares a part of a structure. Payloads of the other kinds are text or bytes without one.`,
		Wrong: `
[[state]]
name = "link"
payload = "string"

[[service]]
name = "web"
run.exec = "/usr/bin/web"
start-on = [{ state = "link", target = { as = { up = true } } }]
`,
		Right: `
[[state]]
name = "link"
payload = "json"

[[service]]
name = "web"
run.exec = "/usr/bin/web"
start-on = [{ state = "link", target = { as = { up = true } } }]
`,
	},
	{
		Code: BinaryOfOther, Severity: diag.Error, Title: "binary on a payload that is not bytes",
		Text: `"binary = true" holds for bytes and nothing else, so with another kind of payload it never holds.`,
		Wrong: `
[[state]]
name = "blob"
payload = "string"

[[service]]
name = "web"
run.exec = "/usr/bin/web"
start-on = [{ state = "blob", target = { binary = true } }]
`,
		Right: `
[[state]]
name = "blob"
payload = "bytes"

[[service]]
name = "web"
run.exec = "/usr/bin/web"
start-on = [{ state = "blob", target = { binary = true } }]
`,
	},
	{
		Code: NoBranches, Severity: diag.Error, Title: "a branch test on something without branches",
		Text: `Only states whose payload is json have branches, told apart by their branch keys.`,
		Wrong: `
[[state]]
name = "link"
payload = "string"

[[service]]
name = "web"
run.exec = "/usr/bin/web"
start-on = [{ state = "link", branch = "eth0" }]
`,
		Right: `
[[state]]
name = "link"
payload = "json"

[[service]]
name = "web"
run.exec = "/usr/bin/web"
start-on = [{ state = "link", branch = "eth0" }]
`,
	},
	{
		Code: NoBranchKey, Severity: diag.Error, Title: "a branch test on what is no branch key",
		Text: `A branch test sees the branch keys of the state and nothing else of its payload. "target" sees all of it.`,
		Wrong: `
[[state]]
name = "link"
payload = "json"
branch = ["name"]

[[service]]
name = "web"
run.exec = "/usr/bin/web"
start-on = [{ state = "link", branch = { as = { speed = 1000 } } }]
`,
		Right: `
[[state]]
name = "link"
payload = "json"
branch = ["name"]

[[service]]
name = "web"
run.exec = "/usr/bin/web"
start-on = [{ state = "link", target = { as = { speed = 1000 } } }]
`,
	},
	{
		Code: NegatedSignal, Severity: diag.Error, Title: "the absence of a signal as a condition",
		Text: `A signal is there only while it is delivered, so that its absence would hold all the time. What was probably
meant is a state.`,
		Wrong: `
[[signal]]
name = "halt"
payload = "none"

[[service]]
name = "web"
run.exec = "/usr/bin/web"
start-on = ['not signal halt']
`,
		Right: `
[[state]]
name = "halted"
payload = "none"

[[service]]
name = "web"
run.exec = "/usr/bin/web"
start-on = ['not state halted']
`,
	},
	{
		Code: SignalAsLevel, Severity: diag.Error, Title: "a signal where a condition has to last",
		Text: `A state that follows from conditions is set while they hold. A signal holds for a moment, so the state would be
removed as soon as it is set.`,
		Wrong: `
[[signal]]
name = "go"
payload = "none"

[[state]]
name = "ready"
payload = "none"
after = ["go"]
`,
		Right: `
[[state]]
name = "network"
payload = "none"

[[state]]
name = "ready"
payload = "none"
after = ["network"]
`,
	},
	{
		Code: WrongOperator, Severity: diag.Error, Title: "an operator that cannot test the payload",
		Text: `Numbers are compared, and lists looked into, in json payloads only: a payload of another kind is text.`,
		Wrong: `
[[state]]
name = "load"
payload = "string"

[[service]]
name = "web"
run.exec = "/usr/bin/web"
start-on = ['load(target > 5)']
`,
		Right: `
[[state]]
name = "load"
payload = "json"

[[service]]
name = "web"
run.exec = "/usr/bin/web"
start-on = ['load(target/percent > 5)']
`,
	},
	{
		Code: WrongLiteral, Severity: diag.Error, Title: "a literal that the operator cannot take",
		Text: `The literal has another type than the operator compares with, or is a regular expression that RE2 does not
know. It has neither look-around nor back-references.`,
		Wrong: `
[[state]]
name = "link"
payload = "string"

[[service]]
name = "web"
run.exec = "/usr/bin/web"
start-on = ['link(target matches "eth(")']
`,
		Right: `
[[state]]
name = "link"
payload = "string"

[[service]]
name = "web"
run.exec = "/usr/bin/web"
start-on = ['link(target matches "^eth[0-9]+$")']
`,
	},
	{
		Code: PathOfNonJSON, Severity: diag.Error, Title: "a path into a payload that is not json",
		Text: `A path leads to a value inside a json document. Payloads of other kinds have nothing inside.`,
		Wrong: `
[[state]]
name = "link"
payload = "string"

[[service]]
name = "web"
run.exec = "/usr/bin/web"
start-on = ['link(target/name == "eth0")']
`,
		Right: `
[[state]]
name = "link"
payload = "json"

[[service]]
name = "web"
run.exec = "/usr/bin/web"
start-on = ['link(target/name == "eth0")']
`,
	},
}
