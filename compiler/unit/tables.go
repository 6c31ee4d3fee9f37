package unit

// Tables of conditions and triggers.
var (
	ConditionTable = Table{Name: "condition", Doc: "a test of a state or a signal", Fields: []Field{
		{
			Key: "state", Newer: "facet", Type: TypeString, Into: into(func(c *Condition) *String { return &c.State }),
			Doc: "the state to look at",
		},
		{
			Key: "signal", Newer: "impulse", Type: TypeString, Into: into(func(c *Condition) *String { return &c.Signal }),
			Doc: "the signal to wait for",
		},
		{
			Key: "target", Type: TypeTest, Into: into(func(c *Condition) *Test { return &c.Target }),
			Doc: "a test of the payload",
		},
		{
			Key: "branch", Type: TypeTest, Into: into(func(c *Condition) *Test { return &c.Branch }),
			Doc: "a test of the branch keys",
		},
		{
			Key: "all", Type: TypeConditions, NonEmpty: true, Into: into(func(c *Condition) *Conditions { return &c.All }),
			Doc: "all of these conditions",
		},
		{
			Key: "any", Type: TypeConditions, NonEmpty: true, Into: into(func(c *Condition) *Conditions { return &c.Any }),
			Doc: "any of these conditions",
		},
		{
			Key: "not", Type: TypeCondition, Into: into(func(c *Condition) **Condition { return &c.Not }),
			Doc: "not this condition",
		},
	}}

	TestTable = Table{Name: "test", Doc: "how a payload is tested: exactly one of these keys", Fields: []Field{
		{
			Key: "contains", Type: TypeString, Into: into(func(t *Test) *String { return &t.Contains }),
			Doc: "the text of the payload contains this",
		},
		{
			Key: "as", Type: TypeAny, Into: into(func(t *Test) *Any { return &t.As }),
			Doc: "this is a subset of the json payload",
		},
		{
			Key: "binary", Type: TypeBool, Into: into(func(t *Test) *Bool { return &t.Binary }),
			Doc: "`true`: the payload is bytes",
		},
	}}

	TriggerTable = Table{Name: "trigger", Doc: "one action and its parameters", Fields: []Field{
		{
			Key: "script", Type: TypeString, Into: into(func(t *Trigger) *String { return &t.Script }),
			Doc: "run this through /bin/sh",
		},
		{
			Key: "exec", Type: TypeString, Into: into(func(t *Trigger) *String { return &t.Exec }),
			Doc: "run this program",
		},
		{
			Key: "args", Type: TypeList, Into: into(func(t *Trigger) *List { return &t.Args }),
			Doc: "the arguments of `exec`",
		},
		{
			Key: "state", Newer: "facet", Type: TypeString, Into: into(func(t *Trigger) *String { return &t.State }),
			Doc: "set this state",
		},
		{
			Key: "signal", Newer: "impulse", Type: TypeString, Into: into(func(t *Trigger) *String { return &t.Signal }),
			Doc: "emit this signal",
		},
		{
			Key: "service", Type: TypeString, Into: into(func(t *Trigger) *String { return &t.Service }),
			Doc: "start this service",
		},
		{
			Key: "timer", Type: TypeString, Into: into(func(t *Trigger) *String { return &t.Timer }),
			Doc: "start this timer",
		},
		{
			Key: "socket", Type: TypeString, Into: into(func(t *Trigger) *String { return &t.Socket }),
			Doc: "start this socket",
		},
		{
			Key: "payload", Type: TypeAny, Into: into(func(t *Trigger) *Any { return &t.Payload }),
			Doc: "the payload of the state or signal",
		},
		{
			Key: "stop", Type: TypeBool, Into: into(func(t *Trigger) *Bool { return &t.Stop }),
			Doc: "stop the service, timer or socket instead",
		},
		{
			Key: "remove", Type: TypeBool, Into: into(func(t *Trigger) *Bool { return &t.Remove }),
			Doc: "remove the state instead",
		},
		{
			Key: "branch", Type: TypeTest, Into: into(func(t *Trigger) *Test { return &t.Branch }),
			Doc: "which branches to remove",
		},
	}}
)
