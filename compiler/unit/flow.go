package unit

import (
	"math"
	"strings"
	"time"

	"github.com/rind-sockets/rind/grammar"
)

var payloads = []string{"json", "string", "bytes", "none"}

var stateFields = []Field{
	{
		Key: "name", Type: TypeString, Required: true, Check: grammar.CheckName, Number: decimal, Into: into(func(s *State) *String { return &s.Name }),
		Doc: "the name, unique among the states of the group",
	},
	{
		Key: "payload", Type: TypeString, Required: true, Values: payloads, Into: into(func(s *State) *String { return &s.Payload }),
		Doc: "the type of the payload",
	},
	{
		Key: "branch", Type: TypeList, Into: into(func(s *State) *List { return &s.Branch }),
		Doc: "the keys of a json payload that tell branches apart, `target` or `target:source`",
	},
	{
		Key: "impermanent", Type: TypeBool, Default: "false", Into: into(func(s *State) *Bool { return &s.Impermanent }),
		Doc: "the state does not survive a restart",
	},
	{
		Key: "after", Type: TypeConditions, Into: into(func(s *State) *Conditions { return &s.After }),
		Doc: "set while all of these conditions hold",
	},
	{
		Key: "activate-on-none", Type: TypeAbsences, Into: into(func(s *State) *Absences { return &s.ActivateOnNone }),
		Doc: "set while none of these states is",
	},
	{
		Key: "auto-payload", Type: TypeTable, Inner: &AutoPayloadTable, Into: within(func(s *State) **AutoPayload { return &s.AutoPayload }),
		Doc: "where the payload comes from when `after` or `activate-on-none` sets the state",
	},
	{
		Key: "permissions", Type: TypePermissions, Into: into(func(s *State) *PermissionRefs { return &s.Permissions }),
		Doc: "who may set and remove the state over the control interface",
	},
}

var signalFields = []Field{
	{
		Key: "name", Type: TypeString, Required: true, Check: grammar.CheckName, Number: decimal, Into: into(func(s *Signal) *String { return &s.Name }),
		Doc: "the name, unique among the signals of the group",
	},
	{
		Key: "payload", Type: TypeString, Required: true, Values: payloads, Into: into(func(s *Signal) *String { return &s.Payload }),
		Doc: "the type of the payload",
	},
	{
		Key: "after", Type: TypeConditions, Into: into(func(s *Signal) *Conditions { return &s.After }),
		Doc: "emitted when all of these conditions match",
	},
	{
		Key: "branch", Type: TypeList, Into: into(func(s *Signal) *List { return &s.Branch }),
		Doc: "with `after`: the fields of the json payload that are taken over, `target` or `target:source`",
	},
	{
		Key: "permissions", Type: TypePermissions, Into: into(func(s *Signal) *PermissionRefs { return &s.Permissions }),
		Doc: "who may emit the signal over the control interface",
	},
}

var timerFields = []Field{
	{
		Key: "name", Type: TypeString, Required: true, Check: grammar.CheckName, Number: decimal, Into: into(func(t *Timer) *String { return &t.Name }),
		Doc: "the name, unique among the timers of the group",
	},
	{
		Key: "duration", Type: TypeDuration, Required: true, Min: 1, Max: math.MaxInt64, Into: into(func(t *Timer) *Duration { return &t.Duration }),
		Doc: "the time from its start to its end",
	},
	{
		Key: "after", Type: TypeList, Into: into(func(t *Timer) *List { return &t.After }),
		Doc: "services: the timer starts when one of them is active, and stops when one of them is gone",
	},
	{
		Key: "repeat", Type: TypeBool, Default: "false", Into: into(func(t *Timer) *Bool { return &t.Repeat }),
		Doc: "start again at the end",
	},
	{
		Key: "finish", Type: TypeTriggers, Into: into(func(t *Timer) *Triggers { return &t.Finish }),
		Doc: "run at the end",
	},
}

var permissionFields = []Field{
	{
		Key: "name", Type: TypeString, Required: true, Check: grammar.CheckName, Number: decimal, Into: into(func(p *Permission) *String { return &p.Name }),
		Doc: "the name, unique among the permissions of the group",
	},
	{
		Key: "id", Type: TypeInt, Required: true, Min: 1, Max: math.MaxUint16, Into: into(func(p *Permission) *Int { return &p.ID }),
		Doc: "the id, from 1 to 65535",
	},
	{
		Key: "links", Type: TypePermissions, Into: into(func(p *Permission) *PermissionRefs { return &p.Links }),
		Doc: "holding one of these permissions implies this one",
	},
	{
		Key: "users", Type: TypeList, Into: into(func(p *Permission) *List { return &p.Users }),
		Doc: "the users that hold it, by name or id",
	},
	{
		Key: "groups", Type: TypeList, Into: into(func(p *Permission) *List { return &p.Groups }),
		Doc: "the groups whose members hold it, by name or id",
	},
	{
		Key: "group", Type: TypeString, Number: decimal, Into: into(func(p *Permission) *String { return &p.Group }),
		Doc: "one more group, as in older unit files",
	},
}

var variableFields = []Field{
	{
		Key: "name", Type: TypeString, Required: true, Check: grammar.CheckName, Number: decimal, Into: into(func(v *Variable) *String { return &v.Name }),
		Doc: "the name, unique among all variables: they have no group",
	},
	{
		Key: "default", Type: TypeAny, Into: into(func(v *Variable) *Any { return &v.Default }),
		Doc: "the value, of any type",
	},
	{
		Key: "env", Type: TypeString, Check: checkEnvName, Into: into(func(v *Variable) *String { return &v.Env }),
		Doc: "the environment variable of rindrun that overrides it, as text of the type of `default`",
	},
}

// Tables inside states.
var (
	AbsenceTable = Table{Name: "activate-on-none", Doc: "a state that must not be set", Fields: []Field{
		{
			Key: "name", Type: TypeString, Required: true, Into: into(func(a *Absence) *String { return &a.Name }),
			Doc: "the state",
		},
		{
			Key: "branch", Newer: "branching", Type: TypeString, NonEmpty: true, Into: into(func(a *Absence) *String { return &a.Branch }),
			Doc: "only its branches count that have the same value in this field",
		},
	}}

	AutoPayloadTable = Table{Name: "auto-payload", Doc: "a command or a variable that makes a payload", Fields: []Field{
		{
			Key: "eval", Type: TypeString, NonEmpty: true, Into: into(func(a *AutoPayload) *String { return &a.Eval }),
			Doc: "the program whose output is the payload",
		},
		{
			Key: "args", Type: TypeList, Into: into(func(a *AutoPayload) *List { return &a.Args }),
			Doc: "its arguments",
		},
		{
			Key: "variable", Type: TypeString, NonEmpty: true, Into: into(func(a *AutoPayload) *String { return &a.Variable }),
			Doc: "instead of `eval`: the variable that has the payload",
		},
		{
			Key: "insert", Type: TypeWords, Into: into(func(a *AutoPayload) *List { return &a.Insert }),
			Doc: "the key of the json payload that gets the value, or several that get the lines of output; `\"root\"`: the value is the payload",
		},
		{
			Key: "many", Type: TypeBool, Default: "false", Into: into(func(a *AutoPayload) *Bool { return &a.Many }),
			Doc: "every line of output, or element of an array, is a branch",
		},
		{
			Key: "timeout", Type: TypeDuration, Default: `"5s"`, Min: 1, Max: int64(time.Hour), Into: into(func(a *AutoPayload) *Duration { return &a.Timeout }),
			Doc: "how long `eval` may take",
		},
	}}
)

// checkEnvName checks the name of an environment variable.
func checkEnvName(s string) *grammar.Error {
	if s == "" || strings.ContainsAny(s, "=\x00") {
		return &grammar.Error{To: len(s), Message: "the name of an environment variable is not empty and has no `=`", Help: "write it as `\"LOG_LEVEL\"`"}
	}
	return nil
}
