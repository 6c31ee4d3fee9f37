package check_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rind-sockets/rind/compiler/check"
	"github.com/rind-sockets/rind/compiler/decode"
	"github.com/rind-sockets/rind/compiler/diag"
)

// given has the states and signals of the tables below. Commands may give all of
// them.
const given = `
[[state]]
name = "up"
payload = "none"
permissions = ["any"]
[[state]]
name = "mode"
payload = "string"
permissions = ["any"]
[[state]]
name = "link"
payload = "json"
permissions = ["any"]
[[signal]]
name = "go"
payload = "none"
permissions = ["any"]
[[signal]]
name = "halt"
payload = "string"
permissions = ["any"]
[[signal]]
name = "report"
payload = "json"
permissions = ["any"]
[[socket]]
name = "uses"
type = "uds"
listen = "uses.sock"
start-on = ["up", "mode", "link", "go", "halt", "report"]
`

// flowReports checks units beside those of given, and returns the messages with
// their codes, sorted by place.
func flowReports(t *testing.T, opts check.Options, units string) []string {
	t.Helper()
	_, ds := checkedWith(t, opts, given+units)
	var out []string
	for _, d := range diag.Sorted(ds, decode.Locate) {
		if d.Help == "" || d.At.IsZero() {
			t.Errorf("%s %q has no help or place", d.Code, d.Message)
		}
		out = append(out, string(d.Code)+" "+d.Message)
	}
	return out
}

func socket(name, listen string, keys ...string) string {
	transport := "tcp"
	if !strings.Contains(listen, ":") {
		transport = "uds"
	}
	return fmt.Sprintf("[[socket]]\nname = %q\ntype = %q\nlisten = %q\n%s\n", name, transport, listen, strings.Join(keys, "\n"))
}

func service(name string, keys ...string) string {
	return fmt.Sprintf("[[service]]\nname = %q\nrun.exec = \"x\"\n%s\n", name, strings.Join(keys, "\n"))
}

func TestFlowRules(t *testing.T) {
	tests := []struct {
		name, units string
		want        []string
	}{
		// F5001
		{"two signals", service("s", `start-on = ["go", "halt"]`), []string{
			"F5001 `start-on` of service \"u@s\" can never hold: it needs both signal u@go and signal u@halt, but one signal is delivered at a time",
		}},
		{"a signal and a state", service("s", `start-on = ["go", "up"]`), nil},
		{"two values", service("s", `start-on = [{ state = "mode", target = "a" }, "up", { state = "mode", target = "b" }]`), []string{
			"F5001 `start-on` of service \"u@s\" can never hold: it needs both state u@mode(target == \"a\") and state u@mode(target == \"b\"), but a state, or a branch of it, has one value at a time",
		}},
		{"two values of two branches", service("s", `start-on = [{ state = "link", target = { as = { v = 1 } } }, { state = "link", target = { as = { v = 2 } } }]`), nil},
		{"two values of one branch", service("s", `start-on = ['link(branch/id == "a" and target/v == 1) and link(branch/id == "a" and target/v == 2)']`), []string{
			"F5001 `start-on` of service \"u@s\" can never hold: it needs both state u@link(branch/id == \"a\" and target/v == 1) and state u@link(branch/id == \"a\" and target/v == 2), but a state, or a branch of it, has one value at a time",
		}},
		{"one of a list", socket("s", ":80", `start-on = ["up", 'mode(target == "a" and target == "b")']`), []string{
			"F5001 `start-on` of socket \"u@s\" can never hold: state u@mode(target == \"a\" and target == \"b\") contradicts itself",
		}},
		{"a state and its absence", socket("s", ":80", `stop-on = ["up and not up"]`), []string{
			"F5001 `stop-on` of socket \"u@s\" can never hold: it needs both state u@up and not state u@up",
		}},
		{"numbers that are apart", socket("s", ":80", `stop-on = ["link(target/n < 1 and target/n > 2)"]`), []string{
			"F5001 `stop-on` of socket \"u@s\" can never hold: state u@link(target/n < 1 and target/n > 2) contradicts itself",
		}},
		{"numbers that are not", socket("s", ":80", `stop-on = ["link(target/n > 1 and target/n < 2)"]`), nil},

		{"a table that is text", service("s", `start-on = ['link(target == "eth0")']`), []string{
			"F5001 `start-on` of service \"u@s\" can never hold: the payload of state \"u@link\" is a table, so it is no match for `target == \"eth0\"`",
		}},
		{"a table that is text, in TOML", service("s", `start-on = ["up", { state = "link", target = "eth0" }]`), []string{
			"F5001 `start-on` of service \"u@s\" can never hold: the payload of state \"u@link\" is a table, so it is no match for `target == \"eth0\"`",
		}},
		{"a table that is a number, an array, or one of them", socket("s", ":80", `stop-on = ["link(target > 5)", { state = "link", target = { as = [1] } }, "link(target in [1, 2])"]`), []string{
			"F5001 `stop-on` of socket \"u@s\" can never hold: the payload of state \"u@link\" is a table, so it is no match for `target > 5`",
			"F5001 `stop-on` of socket \"u@s\" can never hold: the payload of state \"u@link\" is a table, so it is no match for `target has 1`",
			"F5001 `stop-on` of socket \"u@s\" can never hold: the payload of state \"u@link\" is a table, so it is no match for `target in [1,2]`",
		}},
		{"no branch key", service("s", `start-on = ["link(not branch/id)"]`), []string{
			"F5001 `start-on` of service \"u@s\" can never hold: every payload of state \"u@link\" has the branch key `id`",
		}},
		{"a table that is one", service("s", `start-on = ['link(target == "{\"id\":\"a\"}" or target > 5)', 'link(branch == "eth0" and target contains "x" and target is object and target != 5)']`), nil},

		{"text that is no JSON", socket("s", ":80", `start-on = [{ signal = "report", target = "hello" }, 'report(target == "hello")']`), []string{
			"F5001 `start-on` of socket \"u@s\" can never hold: the payload of signal \"u@report\" is JSON, and \"hello\" is none",
			"F5001 `start-on` of socket \"u@s\" can never hold: the payload of signal \"u@report\" is JSON, and \"hello\" is none",
		}},
		{"JSON that is spelt otherwise", socket("s", ":80", `start-on = [{ signal = "report", target = '{"b":1,"a":2}' }, { state = "link", target = '{"id": "a"}' }]`), []string{
			"F5001 `start-on` of socket \"u@s\" can never hold: the payload of signal \"u@report\" is compared as JSON with sorted keys and without spaces",
			"F5001 `start-on` of socket \"u@s\" can never hold: the payload of state \"u@link\" is compared as JSON with sorted keys and without spaces",
		}},
		{"text that is JSON", socket("s", ":80", `start-on = [{ signal = "report", target = '"hello"' }, 'report(target == 5 or target == "true" or target == null)']`), nil},

		// F5002
		{"the same condition", socket("s", ":80", `start-on = ["go"]`, `stop-on = ["go"]`), []string{
			"F5002 `stop-on` of socket \"u@s\" holds whenever `start-on` does, so the conditions never start it",
		}},
		{"a wider stop", socket("s", ":80", `start-on = [{ state = "mode", target = "a" }]`, `stop-on = ["mode", "go"]`), []string{
			"F5002 `stop-on` of socket \"u@s\" holds whenever `start-on` does, so the conditions never start it",
		}},
		{"a narrower stop", socket("s", ":80", `start-on = ["mode"]`, `stop-on = [{ state = "mode", target = "a" }]`), nil},
		{"another branch", socket("s", ":80", `start-on = [{ state = "link", branch = "a" }]`, `stop-on = [{ state = "link", branch = "b" }]`), nil},
		{"a stop that always holds", socket("s", ":80", `stop-on = ["up or not up"]`), []string{
			"F5002 `stop-on` of socket \"u@s\" always holds, so the socket never starts with the plan",
		}},
		{"a stop that always holds of a disabled socket", socket("s", ":80", "enabled = false", `stop-on = ["up or not up"]`), nil},
		{"a service", service("s", `start-on = ["up", "go"]`, `stop-on = ["up"]`), []string{
			"F5002 `stop-on` of service \"u@s\" holds whenever `start-on` does, so the conditions never start it",
		}},
		{"a service that nothing starts", service("s", `stop-on = ["up or not up"]`), nil},
		{"one mistake is reported once", service("s", `start-on = ["go", "halt"]`, `stop-on = ["up"]`), []string{
			"F5001 `start-on` of service \"u@s\" can never hold: it needs both signal u@go and signal u@halt, but one signal is delivered at a time",
		}},

		// F5003
		{"patterns", socket("s", ":80", `start-on = ['mode(target matches "^a.b$" and target matches "^.[cd].$" and not target matches "acb")']`), []string{
			"F5003 it was not analysed whether `start-on` of socket \"u@s\" can hold: its tests of \"u@mode\" are not analysed together",
		}},

		// F5301
		{"an owner that starts when the socket closes", socket("s", ":80", `owner = "w"`, `stop-on = ["go"]`) + service("w", `start-on = ["go"]`), []string{
			"F5301 service \"u@w\" never gets socket \"u@s\": `stop-on` of the socket holds whenever `start-on` of the service does",
		}},
		{"an owner that an access starts", socket("s", ":80", `owner = "w"`, `lifecycle = "owned"`, `stop-on = ["go"]`) + service("w", `start-on = ["go"]`), nil},
		{"an owner that a trigger starts", socket("s", ":80", `owner = "w"`, `stop-on = ["go"]`, `trigger = [{ service = "w" }]`) + service("w", `start-on = ["go"]`), nil},
		{"an owner that starts at other times too", socket("s", ":80", `owner = "w"`, `stop-on = ["go"]`) + service("w", `start-on = ["go or up"]`), nil},

		// F5203, F5204
		{"another payload", "[[signal]]\nname = \"x\"\npayload = \"string\"\n" + socket("a", "a", `trigger = [{ signal = "x", payload = "yes" }]`, `stop-on = ['x(target != "yes")']`) + socket("b", "b", `start-on = [{ signal = "x", target = "yes" }]`), []string{
			"F5203 no payload that the files give signal \"u@x\" passes the test target != \"yes\"",
		}},
		{"a circle of two", "[[state]]\nname = \"x\"\npayload = \"none\"\n[[state]]\nname = \"y\"\npayload = \"none\"\n" +
			socket("a", "a", `start-on = ["x"]`, `on-start = [{ state = "y" }]`) + socket("b", "b", `start-on = ["y"]`, `on-start = [{ state = "x" }]`), []string{
			"F5204 nothing in the files ever starts socket \"u@a\": it waits for state \"u@x\", which only `on-start` of socket \"u@b\" gives; they wait for each other in a circle of 2",
		}},
		{"one that waits for itself, and others behind it", "[[state]]\nname = \"x\"\npayload = \"none\"\n[[state]]\nname = \"y\"\npayload = \"none\"\nafter = [\"x\"]\n" +
			socket("a", "a", `start-on = ["x"]`, `on-start = [{ state = "x" }]`) + socket("b", "b", `start-on = ["y"]`) + service("c", `start-on = ["x", "up"]`), []string{
			"F5204 nothing in the files ever starts socket \"u@a\": it waits for state \"u@x\", which only its own `on-start` gives, and 3 more wait for it",
		}},
		{"two that wait for what both give", "[[state]]\nname = \"x\"\npayload = \"string\"\n" +
			socket("a", "a", `start-on = ['x(target == "a")']`, `trigger = [{ state = "x", payload = "b" }]`) +
			socket("b", "b", `start-on = ['x(target == "b")']`, `trigger = [{ state = "x", payload = "a" }]`), []string{
			"F5204 nothing in the files ever starts socket \"u@a\": it waits for state \"u@x\", which only units that are not started give, such as `trigger` of socket \"u@b\"; they wait for each other in a circle of 2",
		}},
		{"a circle over a state that follows from another", "[[state]]\nname = \"x\"\npayload = \"none\"\n[[state]]\nname = \"y\"\npayload = \"none\"\nafter = [\"x\"]\n" +
			socket("a", "a", `start-on = ["y"]`, `on-start = [{ state = "x" }]`), []string{
			"F5204 nothing in the files ever starts socket \"u@a\": it waits for state \"u@y\"; they wait for each other in a circle of 2",
		}},
		{"a circle that something starts", "[[state]]\nname = \"x\"\npayload = \"none\"\n[[state]]\nname = \"y\"\npayload = \"none\"\n" +
			socket("a", "a", `start-on = ["x"]`, `on-start = [{ state = "y" }]`, `trigger = [{ service = "c" }]`) + socket("b", "b", `start-on = ["y", "up"]`, `on-start = [{ state = "x" }]`) + service("c"), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, flowReports(t, check.Options{}, tt.units)); diff != "" {
				t.Errorf("reported (-want +got):\n%s", diff)
			}
		})
	}
}

// TestS13Exclusive is about endpoints that two sockets share at different times.
func TestS13Exclusive(t *testing.T) {
	pair := func(first, second []string, more ...string) string {
		return socket("a", "127.0.0.1:80", first...) + socket("b", "127.0.0.1:80", second...) + strings.Join(more, "")
	}
	keys := func(list ...string) []string { return list }
	const both = "A4104 sockets \"u@a\" and \"u@b\" may be open at the same time, but both listen on 127.0.0.1:80: "
	tests := []struct {
		name, units, want string
	}{
		{"one is closed when the other opens", pair(keys(`start-on = ["up"]`, `stop-on = ["go"]`), keys(`start-on = ["go"]`, `stop-on = ["up"]`)), ""},
		{
			"exclusive starts, and nothing closes", pair(keys(`start-on = [{ state = "mode", target = "x" }]`), keys(`start-on = [{ state = "mode", target = "y" }]`)),
			both + `when state "u@mode" is "y", "u@b" opens and nothing closes "u@a"`,
		},
		{
			"exclusive starts, and one closes", pair(keys(`start-on = [{ state = "mode", target = "x" }]`, `stop-on = [{ state = "mode", target = "y" }]`), keys(`start-on = [{ state = "mode", target = "y" }]`)),
			both + `when state "u@mode" is "x", "u@a" opens and nothing closes "u@b"`,
		},
		{
			"independent", pair(keys(`start-on = ["up"]`, `stop-on = ["go"]`), keys(`start-on = ["mode"]`)),
			both + `when state "u@mode" is "other", "u@b" opens and nothing closes "u@a"`,
		},
		{
			"by branches, which do not exclude each other", pair(keys(`start-on = [{ state = "link", branch = "x" }]`, `stop-on = [{ state = "link", branch = "y" }]`), keys(`start-on = [{ state = "link", branch = "y" }]`)),
			both + `when state "u@link" has {"id":"x"}, "u@a" opens and nothing closes "u@b"`,
		},
		{
			"the same conditions", pair(keys(`start-on = ["up"]`, `stop-on = ["go"]`), keys(`start-on = ["up"]`, `stop-on = ["go"]`)),
			"A4103 socket \"u@b\" cannot be bound together with socket \"u@a\": both listen on 127.0.0.1:80, and the same conditions open both",
		},
		{
			"from the start until something", pair(nil, keys(`stop-on = ["go"]`)),
			both + "when the plan starts, both open",
		},
		{
			"from the start, if", pair(keys(`stop-on = ["up"]`), keys(`start-on = ["not up"]`, `stop-on = ["up"]`)),
			both + `when the plan starts while state "u@up" is not set, both open`,
		},
		{"from the start, and a level that is no edge", pair(keys(`stop-on = ["up"]`), keys(`start-on = ["up"]`)), ""},
		{
			"one is disabled", pair(keys("enabled = false"), nil),
			both + `"u@a" is opened by a command or a trigger, and nothing closes "u@b"`,
		},
		{"one is disabled, and the other closes at times", pair(keys("enabled = false"), keys(`stop-on = ["up"]`)), ""},
		{"one is disabled, and a trigger closes the other", pair(keys("enabled = false"), nil, service("s", `on-start = [{ socket = "b", stop = true }]`)), ""},
		{
			"one that somebody may set by hand", pair(keys(`start-on = ["x"]`, `stop-on = ["not x"]`), keys(`start-on = ["not up"]`, `stop-on = ["up"]`)) +
				"[[state]]\nname = \"x\"\npayload = \"none\"\nafter = [\"up\"]\npermissions = [\"network\"]\n",
			both + `when state "u@x" is set and state "u@up" is not set, "u@a" opens and nothing closes "u@b"`,
		},
		{"both are disabled", pair(keys("enabled = false"), keys("enabled = false")), ""},
		{"a trigger closes one", pair(keys(`start-on = ["up"]`), keys(`start-on = ["go"]`), service("s", `on-start = [{ socket = "a", stop = true }]`)), ""},
		{"a trigger closes units by their names", pair(keys(`start-on = ["up"]`), keys(`start-on = ["go"]`), socket("c", "c", `trigger = [{ signal = "rind@deactivate", payload = "a" }]`)), ""},
		{
			"one never opens", pair(keys(`start-on = ["up"]`), keys(`start-on = ["go and halt"]`)),
			"F5001 `start-on` of socket \"u@b\" can never hold: it needs both signal u@go and signal u@halt, but one signal is delivered at a time",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := strings.Join(flowReports(t, check.Options{}, tt.units), "\n")
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("reported (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTriggerCycles(t *testing.T) {
	const signals = "[[signal]]\nname = \"x\"\npayload = \"string\"\npermissions = [\"any\"]\n[[signal]]\nname = \"y\"\npayload = \"none\"\npermissions = [\"any\"]\n[[state]]\nname = \"s\"\npayload = \"string\"\npermissions = [\"any\"]\n"
	const endless = "F5101 triggers cause each other without end: "
	tests := []struct {
		name, units, want string
	}{
		{
			"a unit that restarts itself", socket("a", "a", `on-start = [{ socket = "a", stop = true }]`, `on-stop = [{ socket = "a" }]`),
			endless + `start of socket "u@a", then stop of socket "u@a", and the start of socket "u@a" again`,
		},
		{"a unit that starts itself", socket("a", "a", `on-start = [{ socket = "a" }]`), ""},
		{
			"over a signal", service("a", `start-on = ["y"]`, `on-start = [{ service = "a", stop = true }]`, `on-stop = [{ signal = "y" }]`),
			endless + `start of service "u@a", then stop of service "u@a", then signal "u@y", and the start of service "u@a" again`,
		},
		{"over a signal with another payload", service("a", `start-on = [{ signal = "x", target = "p" }]`, `on-start = [{ service = "a", stop = true }]`, `on-stop = [{ signal = "x", payload = "q" }]`), ""},
		{"over a state that has the value already", service("a", `start-on = ["s"]`, `on-start = [{ service = "a", stop = true }]`, `on-stop = [{ state = "s", payload = "v" }]`), ""},
		{
			"over a state that changes", service("a", `start-on = [{ state = "s", target = "v" }]`, `stop-on = [{ state = "s", target = "w" }]`, `on-start = [{ state = "s", payload = "w" }]`, `on-stop = [{ state = "s", payload = "v" }]`),
			endless + `start of service "u@a", then state "u@s" with "w", then stop of service "u@a", then state "u@s" with "v", and the start of service "u@a" again`,
		},
		{
			"over a removal", service("a", `start-on = ["s"]`, `stop-on = ["not s"]`, `on-start = [{ state = "s", remove = true }]`, `on-stop = [{ state = "s", payload = "v" }]`),
			endless + `start of service "u@a", then removal of state "u@s", then stop of service "u@a", then state "u@s" with "v", and the start of service "u@a" again`,
		},
		{"a removal starts nothing", service("a", `start-on = ["not s"]`, `on-start = [{ service = "a", stop = true }]`, `on-stop = [{ state = "s", remove = true }]`), ""},
		{"through an access", socket("a", "a", `trigger = [{ socket = "a", stop = true }]`, `on-stop = [{ socket = "a" }]`), ""},
		{
			"of two", socket("a", "a", `on-start = [{ socket = "b", stop = true }]`, `on-stop = [{ socket = "b" }]`) + socket("b", "b", `on-start = [{ socket = "a", stop = true }]`, `on-stop = [{ socket = "a" }]`),
			"",
		},
		{
			"of two that take turns", socket("a", "a", `on-start = [{ socket = "a", stop = true }]`, `on-stop = [{ socket = "b" }]`) + socket("b", "b", `on-start = [{ socket = "b", stop = true }]`, `on-stop = [{ socket = "a" }]`),
			endless + `start of socket "u@a", then stop of socket "u@a", then start of socket "u@b", then stop of socket "u@b", and the start of socket "u@a" again`,
		},
		{
			"of two that a signal each starts and stops", service("a", `start-on = ["y"]`, `stop-on = ["z"]`, `on-start = [{ signal = "z" }]`) + service("b", `start-on = ["z"]`, `stop-on = ["y"]`, `on-start = [{ signal = "y" }]`) + "[[signal]]\nname = \"z\"\npayload = \"none\"\npermissions = [\"any\"]\n",
			endless + `start of service "u@a", then signal "u@z", then start of service "u@b", then signal "u@y", and the start of service "u@a" again`,
		},
		{"two that close each other", socket("a", "a", `on-start = [{ socket = "b", stop = true }]`, `start-on = ["y"]`) + socket("b", "b", `on-start = [{ socket = "a", stop = true }]`, `start-on = ["x"]`), ""},
		{"a disabled unit", socket("a", "a", "enabled = false", `start-on = ["y"]`, `on-start = [{ socket = "a", stop = true }]`, `on-stop = [{ signal = "y" }]`), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, line := range flowReports(t, check.Options{}, signals+tt.units) {
				if strings.HasPrefix(line, "F51") {
					got = append(got, line)
				}
			}
			if diff := cmp.Diff(tt.want, strings.Join(got, "\n")); diff != "" {
				t.Errorf("reported (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAfter(t *testing.T) {
	state := func(name string, keys ...string) string {
		return fmt.Sprintf("[[state]]\nname = %q\npayload = \"none\"\npermissions = [\"any\"]\n%s\n", name, strings.Join(keys, "\n"))
	}
	signal := func(name string, keys ...string) string {
		return strings.Replace(state(name, keys...), "state", "signal", 1)
	}
	const circle, contrary = "F5102 units come after each other in a circle: ", "F5103 states set and remove each other without end: "
	used := socket("u", "u", `start-on = ["a", "b", "c"]`)
	tests := []struct {
		name, units string
		want        []string
	}{
		{"services", service("a", `after = ["b"]`) + service("b", `after = ["c"]`) + service("c", `after = ["a"]`), []string{
			circle + `service "u@a", service "u@b", service "u@c", service "u@a"`,
		}},
		{"a service after itself", service("a", `after = ["a"]`), []string{`F5102 service "u@a" comes after itself`}},
		{"services in a row", service("a", `after = ["b", "c"]`) + service("b", `after = ["c"]`) + service("c"), nil},
		{"signals", signal("a", `after = ["b"]`) + signal("b", `after = ["c", "up"]`) + signal("c", `after = ["a or go"]`) + used, []string{
			circle + `signal "u@a", signal "u@b", signal "u@c", signal "u@a"`,
		}},
		{"states", state("a", `after = ["b"]`) + state("b", `after = ["a", "up"]`) + state("c") + used, []string{
			circle + `state "u@a", state "u@b", state "u@a"`,
		}},
		{"a state and not itself", state("a", `after = ["not a", "up"]`) + state("b") + state("c") + used, []string{
			`F5103 state "u@a" follows from its own absence: it would be set and removed without end`,
		}},
		{"three that exclude each other in turn", state("a", `after = ["not b"]`) + state("b", `after = ["not c"]`) + state("c", `after = ["not a"]`) + used, []string{
			contrary + `state "u@a", state "u@b", state "u@c", state "u@a"`,
		}},
		{"two that exclude each other", state("a", `after = ["not b"]`) + state("b", `after = ["not a"]`) + state("c") + used, nil},
		{"one in place of the other", state("a", `activate-on-none = ["b"]`) + state("b", `after = ["a"]`) + state("c") + used, []string{
			contrary + `state "u@a", state "u@b", state "u@a"`,
		}},
		{"in place of itself", state("a", `activate-on-none = ["a"]`) + state("b") + state("c") + used, []string{
			`F5103 state "u@a" follows from its own absence: it would be set and removed without end`,
		}},
		{"each in place of the other", state("a", `activate-on-none = ["b"]`) + state("b", `activate-on-none = ["a"]`) + state("c") + used, nil},
		{"an odd circle among even ones", state("a", `after = ["not b", "c"]`) + state("b", `after = ["not a"]`) + state("c", `after = ["not a", "up"]`) + used, []string{
			contrary + `state "u@a", state "u@c", state "u@a"`,
		}},
		{"an after that cannot hold", state("a", `after = [{ state = "mode", target = "x" }, { state = "mode", target = "y" }]`) + state("b") + state("c") + used, []string{
			"F5001 `after` of state \"u@a\" can never hold: it needs both state u@mode(target == \"x\") and state u@mode(target == \"y\"), but a state, or a branch of it, has one value at a time",
		}},
		{"triggers through derived states", state("a") + state("b", `after = ["a"]`) + state("c", `activate-on-none = ["b"]`) + used +
			service("s", `start-on = ["b"]`, `stop-on = ["c"]`, `on-start = [{ state = "a", remove = true }]`, `on-stop = [{ state = "a" }]`), []string{
			`F5101 triggers cause each other without end: start of service "u@s", then removal of state "u@a", then removal of state "u@b", then state "u@c", then stop of service "u@s", then state "u@a", then state "u@b", and the start of service "u@s" again`,
		}},
		{"a timer between", signal("a") + service("s", `start-on = ["a"]`, `on-start = [{ timer = "t" }]`, `on-stop = [{ signal = "a" }]`) +
			"[[timer]]\nname = \"t\"\nduration = 1\nfinish = [{ service = \"s\", stop = true }]\n", nil},
		{"what waits for a derived state", "[[state]]\nname = \"a\"\npayload = \"none\"\nafter = [\"up\"]\n" + socket("u", "u", `start-on = ["a"]`), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, flowReports(t, check.Options{}, tt.units)); diff != "" {
				t.Errorf("reported (-want +got):\n%s", diff)
			}
		})
	}
}

func TestStrict(t *testing.T) {
	tests := []struct {
		name, units   string
		plain, strict []string
	}{
		{"ports", socket("a", "127.0.0.1:80") + socket("b", "127.0.0.1:0") + socket("c", "127.0.0.1:1024"), nil, []string{
			`A4107 socket "u@a" listens on port 80, which needs CAP_NET_BIND_SERVICE`,
		}},
		{"modes", socket("a", "a", `options = { mode = "0660" }`) + socket("b", "b", `options = { mode = "0662" }`) + socket("c", "c", `permissions = ["any"]`) + socket("d", "@d"), nil, []string{
			`P6108 every user may connect to socket "u@b"`, `P6108 every user may connect to socket "u@d"`,
		}},
		{
			"notes are warnings", "[[signal]]\nname = \"x\"\npayload = \"string\"\n" + socket("a", ":2000", `trigger = [{ signal = "x", payload = "yes" }]`, `stop-on = [{ signal = "x", target = "no" }]`),
			[]string{`F5203 no payload that the files give signal "u@x" passes the test target == "no"`},
			[]string{`F5203 no payload that the files give signal "u@x" passes the test target == "no"`},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.plain, flowReports(t, check.Options{}, tt.units)); diff != "" {
				t.Errorf("reported (-want +got):\n%s", diff)
			}
			got := flowReports(t, check.Options{Strict: true}, tt.units)[1:] // the first is about the socket that uses everything
			if diff := cmp.Diff(tt.strict, got); diff != "" {
				t.Errorf("strictly reported (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("severity", func(t *testing.T) {
		units := "[[signal]]\nname = \"x\"\npayload = \"string\"\n" + socket("a", ":2000", `trigger = [{ signal = "x", payload = "yes" }]`, `stop-on = [{ signal = "x", target = "no" }]`)
		for strict, want := range map[bool]diag.Severity{false: diag.Note, true: diag.Warning} {
			_, ds := checkedWith(t, check.Options{Strict: strict}, units)
			if len(ds) != 1 || ds[0].Severity != want {
				t.Errorf("strict = %v: reported %+v, want one %v", strict, ds, want)
			}
		}
	})
}

// TestS161TooMuch proves that files whose analysis would take too long are not
// analysed to the end, and that this is said once.
func TestS161TooMuch(t *testing.T) {
	repeat := func(n int, f func(i int) string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(f(i))
		}
		return b.String()
	}
	tests := []struct {
		name, units string
		want        []string
	}{
		{"sockets that exclude each other", repeat(400, func(i int) string {
			return socket(fmt.Sprint("s", i), ":80", fmt.Sprintf("start-on = ['mode(target == \"%d\")']\nstop-on = ['mode(target != \"%d\")']", i, i))
		}), []string{"F5003 the analysis of conditions and endpoints ends here: all of it would take too long"}},
		{"sockets that only commands open", repeat(2100, func(i int) string {
			return socket(fmt.Sprint("s", i), ":80", "enabled = false")
		}), []string{"F5003 the analysis of conditions and endpoints ends here: all of it would take too long"}},
		{"payloads that meet conditions", repeat(1500, func(i int) string {
			return socket(fmt.Sprint("a", i), fmt.Sprint("a", i), fmt.Sprintf("on-start = [{ state = \"mode\", payload = \"%d\" }]", i)) +
				socket(fmt.Sprint("b", i), fmt.Sprint("b", i), fmt.Sprintf("stop-on = [{ state = \"mode\", target = \"%d\" }]", i))
		}), []string{"F5003 it was not analysed whether triggers cause each other without end: there are too many of them"}},
		{"a condition with many parts", service("s", "start-on = ["+repeat(5000, func(i int) string { return fmt.Sprintf("{ state = \"mode\", target = { contains = \"%d\" } },", i) })+"]"), []string{
			"F5003 it was not analysed whether `start-on` of service \"u@s\" can hold: it has too many parts",
		}},
		// F5403
		{"a timer that starts itself", "[[timer]]\nname = \"t\"\nduration = 1\nfinish = [{ timer = \"t\" }, { signal = \"go\" }]\n", []string{
			"F5403 nothing starts timer \"u@t\"",
		}},
		{"timers that start each other", "[[timer]]\nname = \"t\"\nduration = 1\nfinish = [{ timer = \"s\" }]\n[[timer]]\nname = \"s\"\nduration = 1\nfinish = [{ timer = \"t\" }]\n", []string{
			"F5403 nothing starts timer \"u@t\"", "F5403 nothing starts timer \"u@s\"",
		}},
		{"a timer that another one starts", "[[timer]]\nname = \"t\"\nduration = 1\n[[timer]]\nname = \"s\"\nduration = 1\nafter = [\"x\"]\nfinish = [{ timer = \"t\" }]\n" + service("x"), nil},
		{"a long circle", repeat(3000, func(i int) string {
			return service(fmt.Sprint("s", i), fmt.Sprintf("after = [\"s%d\"]", (i+1)%3000))
		}), []string{`F5102 units come after each other in a circle: ` + repeat(12, func(i int) string { return fmt.Sprintf("service \"u@s%d\", ", i) }) + "…"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, flowReports(t, check.Options{}, tt.units)); diff != "" {
				t.Errorf("reported (-want +got):\n%s", diff)
			}
		})
	}
}

// TestNotWhole proves that rules about what is missing are silent when a part of
// the files may be.
func TestNotWhole(t *testing.T) {
	const unused = "[[state]]\nname = \"x\"\npayload = \"none\"\n"
	if got := flowReports(t, check.Options{}, unused); len(got) != 1 || !strings.HasPrefix(got[0], "F5401 ") {
		t.Errorf("reported %q, want F5401", got)
	}
	if got := flowReports(t, check.Options{}, unused+socket("a", "nowhere:")); len(got) != 1 || !strings.HasPrefix(got[0], "A4102 ") {
		t.Errorf("reported %q, want the mistake only", got)
	}
}
