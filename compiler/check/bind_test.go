package check_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rind-sockets/rind/compiler/decode"
	"github.com/rind-sockets/rind/compiler/diag"
)

// TestS163Units has a failing and a passing example of every way to break a rule
// about the types of units; their one example each is in the rules.
func TestS163Units(t *testing.T) {
	const (
		web      = "[[service]]\nname = \"web\"\nrun.exec = \"web\"\n"
		http     = "[[socket]]\nname = \"http\"\ntype = \"tcp\"\nlisten = \":80\"\nowner = \"web\"\n"
		branches = "branching = { source-state = \"rind@net-interface\", key = \"name\" }\n"
	)
	state := func(name, kind, rest string) string {
		return "[[state]]\nname = \"" + name + "\"\npayload = \"" + kind + "\"\n" + rest + "\n"
	}
	// Somebody sets and uses the states of the examples, so that nothing else is
	// reported.
	used := func(names ...string) string {
		s := "[[service]]\nname = \"user\"\nrun.exec = \"x\"\nstop-on = [\"" + strings.Join(names, "\", \"") + "\"]\n"
		return s
	}
	tests := []struct {
		name, text string
		want       []string
	}{
		{"S98 an owned socket of a branching owner", web + branches + http + "lifecycle = \"owned\"\n", []string{
			`10:13 T3302 socket "u@http" is owned, but its owner "u@web" has one instance for each branch of a state`,
		}},
		{"S98 a managed socket of a branching owner", web + branches + http, nil},
		{"S98 an owner that does not branch", web + "branching = { source-state = \"rind@net-interface\", enabled = false }\n" + http + "lifecycle = \"owned\"\n", nil},

		{"branches of a string", web + "branching = { source-state = \"s\" }\n" + state("s", "string", "permissions = [0]"), []string{`4:30 T3303 state "u@s" has no branches: its payload is of kind string`}},
		{"a key that is none", web + "branching = { source-state = \"rind@net-interface\", key = \"id\" }\n", []string{`4:58 T3303 "id" is no branch key of state "rind@net-interface"`}},
		{"the default key that is none", web + "branching = { source-state = \"rind@net-interface\" }\n", []string{`4:30 T3303 "id" is no branch key of state "rind@net-interface"`}},
		{"branches of an unknown state", web + "branching = { source-state = \"rind@nte-interface\" }\n", []string{`4:30 N2103 no state is named "rind@nte-interface"`}},
		{"branches of rind@active", web + "branching = { source-state = \"rind@active\", key = \"name\" }\n", nil},
		{"no such key of rind@active", web + "branching = { source-state = \"rind@active\", key = \"foo\" }\n", []string{`4:51 T3303 "foo" is no branch key of state "rind@active"`}},
		{"the default key for rind@active", web + "branching = { source-state = \"rind@active\" }\n", []string{`4:30 T3303 "id" is no branch key of state "rind@active"`}},
		{"a user from text", web + "space = \"user\"\nuser-source = { state = \"rind@active\" }\n", []string{`5:25 T3304 state "rind@active" has no field with the name of a user: its payload is of kind string`}},
		{"a user from json", web + "space = \"user\"\nuser-source = { state = \"rind@user_session\" }\n", nil},
		{"a variable that is text", "[[variable]]\nname = \"v\"\ndefault = \"web\"\n[[service]]\nname = \"web\"\nrun.variable = \"v\"\n", []string{"6:16 T3309 variable \"v\" is no table with `exec`, so it describes no process"}},
		{"a variable without exec", "[[variable]]\nname = \"v\"\ndefault = { exec = 1 }\n[[service]]\nname = \"web\"\nrun.variable = \"v\"\n", []string{"6:16 T3309 variable \"v\" is no table with `exec`, so it describes no process"}},
		{"a variable with other keys", "[[variable]]\nname = \"v\"\ndefault = { exec = \"bin/a\", args = \"x\", arg = [1], env = { A = 1 } }\n[[service]]\nname = \"web\"\nrun.variable = \"v\"\n", []string{
			"3:20 T3309 variable \"v\" describes a process that cannot run: \"bin/a\" is relative to a directory that is not known",
			"3:36 T3309 variable \"v\" describes a process, so `args` must be an array of strings",
			"3:41 T3309 variable \"v\" describes a process, which has no key \"arg\"",
			"3:58 T3309 variable \"v\" describes a process, so `env` must be a table of strings",
		}},
		{"a variable that is not there", "[[service]]\nname = \"web\"\nrun.variable = \"v\"\n", []string{`3:16 N2103 no variable is named "v"`}},

		{"a derived string", state("s", "string", "after = [\"rind@active\"]") + used("s"), nil},
		{"a derived string from json", state("s", "string", "after = [\"rind@net-interface\"]") + used("s"), []string{`4:1 T3305 state "u@s" has a payload of kind string, and none of its conditions has one`}},
		{"a derived state from one of several", state("s", "json", "branch = [\"name\"]\nafter = [\"rind@online\", \"rind@net-interface\"]") + used("s"), nil},
		{"a derived state from an absence", state("s", "string", "after = [\"not rind@active\"]") + used("s"), []string{`4:1 T3305 state "u@s" has a payload of kind string, and none of its conditions has one`}},
		{"a derived state of none", state("s", "none", "after = [\"not rind@active\"]") + used("s"), nil},
		{"a derived state with a payload of its own", state("s", "string", "after = [\"rind@online\"]\nauto-payload = { eval = \"hostname\" }") + used("s"), nil},
		{"json without its keys", state("s", "json", "activate-on-none = [\"rind@online\"]") + used("s"), []string{`4:1 T3305 state "u@s" needs a payload with its branch keys when it is set while others are not`}},
		{"a derived signal", "[[signal]]\nname = \"s\"\npayload = \"string\"\nafter = [\"rind@request_login\"]\n" + used("s"), []string{`4:1 T3305 signal "u@s" has a payload of kind string, and none of its conditions has one`}},
		{"a state that follows from a signal", state("s", "none", "after = [\"rind@activate\"]") + used("s"), []string{`4:10 T3110 a state cannot follow from signal rind@activate, which does not last`}},

		{"a payload of nothing", state("s", "none", "activate-on-none = [\"rind@online\"]\nauto-payload = { eval = \"x\" }") + used("s"), []string{`5:1 T3306 state "u@s" has no payload`}},
		{"keys of text", state("s", "string", "activate-on-none = [\"rind@online\"]\nauto-payload = { eval = \"x\", insert = \"a\" }") + used("s"), []string{`5:30 T3306 state "u@s" has no keys to insert a value in: its payload is of kind string`}},
		{"many of text", state("s", "string", "activate-on-none = [\"rind@online\"]\nauto-payload = { eval = \"x\", many = true }") + used("s"), []string{`5:30 T3306 state "u@s" has one branch: its payload is of kind string`}},
		{"a branch key that is not inserted", state("s", "json", "activate-on-none = [\"rind@online\"]\nauto-payload = { eval = \"x\", insert = [\"a\", \"b\"] }") + used("s"), []string{`5:39 T3306 the branch key "id" of state "u@s" is not inserted`}},
		{"the value is the payload", state("s", "json", "activate-on-none = [\"rind@online\"]\nauto-payload = { eval = \"x\", insert = \"root\" }") + used("s"), nil},
		{"every key is inserted", state("s", "json", "activate-on-none = [\"rind@online\"]\nauto-payload = { eval = \"x\", insert = [\"a\", \"id\"] }") + used("s"), nil},
		{"a table for text", state("s", "string", "activate-on-none = [\"rind@online\"]\nauto-payload = { variable = \"v\" }") + used("s") + "[[variable]]\nname = \"v\"\ndefault = {}\n", []string{`5:29 T3306 variable "v" is a table or array, but state "u@s" has a payload of kind string`}},
		{"a number for text", state("s", "string", "activate-on-none = [\"rind@online\"]\nauto-payload = { variable = \"v\" }") + used("s") + "[[variable]]\nname = \"v\"\ndefault = 5\n", nil},

		{"a field of no payload", state("s", "json", "activate-on-none = [{ name = \"rind@online\", branch = \"seat\" }]\nauto-payload = { eval = \"x\" }") + used("s"), []string{`4:54 T3307 state "rind@online" has no field "seat": its payload is of kind none`}},
		{"a field for no payload", state("s", "none", "activate-on-none = [{ name = \"rind@user_session\", branch = \"seat\" }]") + used("s"), []string{`4:60 T3307 state "u@s" has no field "seat" to compare with: its payload is of kind none`}},
		{"an unknown absence", state("s", "none", "activate-on-none = [\"rind@onlin\"]") + used("s"), []string{`4:21 N2103 no state is named "rind@onlin"`}},
		{"fields of text", "[[signal]]\nname = \"s\"\npayload = \"string\"\nafter = [\"rind@active\"]\nbranch = [\"a\"]\n" + used("s"), []string{`5:1 T3308 signal "u@s" has no fields: its payload is of kind string`}},
		{"fields of nothing", "[[signal]]\nname = \"s\"\npayload = \"json\"\nbranch = [\"a\"]\npermissions = [0]\n" + used("s"), []string{`4:1 T3308 signal "u@s" follows from nothing that it could take fields over from`}},

		{"unknown services", web + "after = [\"db\"]\n[[timer]]\nname = \"t\"\nduration = 1\nafter = [\"wbe\"]\n", []string{
			`4:10 N2103 no service is named "db"`, `8:10 N2103 no service is named "wbe"`,
		}},
		{"S18 unknown permissions", web + "managed-by = [\"ops\"]\n" + state("s", "none", "permissions = [9]") + "[[signal]]\nname = \"s\"\npayload = \"none\"\npermissions = [\"x\"]\n", []string{
			`4:15 N2202 no permission is named "ops"`, `8:16 N2202 no permission has the id 9`, `12:16 N2202 no permission is named "x"`,
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, ds := checked(t, tt.text)
			var got []string
			for _, d := range diag.Sorted(ds, decode.Locate) {
				if d.Severity == diag.Error {
					got = append(got, show(d))
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("reported (-want +got):\n%s", diff)
			}
		})
	}
}
