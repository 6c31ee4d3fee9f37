package unit

import (
	"math"
	"time"

	"github.com/rind-sockets/rind/grammar"
)

var socketFields = []Field{
	{
		Key: "name", Type: TypeString, Required: true, Check: grammar.CheckName, Number: decimal, Into: into(func(s *Socket) *String { return &s.Name }),
		Doc: "the name, unique among the sockets of the group",
	},
	{
		Key: "type", Type: TypeString, Required: true, Into: into(func(s *Socket) *String { return &s.Type }),
		Doc: "the transport: `tcp`, `udp`, `uds`, or the name of a transport plugin",
	},
	{
		Key: "listen", Type: TypeString, Required: true, Number: port, Into: into(func(s *Socket) *String { return &s.Listen }),
		Doc: "the endpoint, such as `127.0.0.1:8081` or `/run/web.sock`",
	},
	{
		Key: "owner", Type: TypeString, Into: into(func(s *Socket) *String { return &s.Owner }),
		Doc: "the service that inherits the descriptor",
	},
	{
		Key: "lifecycle", Type: TypeString, Default: `"managed"`, Values: []string{"managed", "owned"}, Into: into(func(s *Socket) *String { return &s.Lifecycle }),
		Doc: "`owned`: an access starts the owner",
	},
	{
		Key: "start-on", Type: TypeConditions, Into: into(func(s *Socket) *Conditions { return &s.StartOn }),
		Doc: "start when any of these conditions matches",
	},
	{
		Key: "stop-on", Type: TypeConditions, Into: into(func(s *Socket) *Conditions { return &s.StopOn }),
		Doc: "stop when any of these conditions matches",
	},
	{
		Key: "enabled", Type: TypeBool, Default: "true", Into: into(func(s *Socket) *Bool { return &s.Enabled }),
		Doc: "without `start-on`: start when the plan starts",
	},
	{
		Key: "trigger", Type: TypeTriggers, Into: into(func(s *Socket) *Triggers { return &s.Trigger }),
		Doc: "run on access",
	},
	{
		Key: "on-start", Type: TypeTriggers, Into: into(func(s *Socket) *Triggers { return &s.OnStart }),
		Doc: "run once the listener is open",
	},
	{
		Key: "on-stop", Type: TypeTriggers, Into: into(func(s *Socket) *Triggers { return &s.OnStop }),
		Doc: "run once the listener is closed",
	},
	{
		Key: "permissions", Type: TypePermissions, Into: into(func(s *Socket) *PermissionRefs { return &s.Permissions }),
		Doc: "who may access the socket: any of these",
	},
	{
		Key: "managed-by", Type: TypePermissions, Into: into(func(s *Socket) *PermissionRefs { return &s.ManagedBy }),
		Doc: "who may start and stop the socket over the control interface",
	},
	{
		Key: "fd-name", Type: TypeString, Default: "the name", Into: into(func(s *Socket) *String { return &s.FDName }),
		Doc: "the name in LISTEN_FDNAMES",
	},
	{
		Key: "options", Type: TypeOptions, Into: into(func(s *Socket) *[]Option { return &s.Options }),
		Doc: "options of the transport",
	},
	{
		Key: "non-blocking", Type: TypeBool, Default: "false", Into: into(func(s *Socket) *Bool { return &s.NonBlocking }),
		Doc: "set O_NONBLOCK on the descriptor that the owner gets",
	},
	{
		Key: "accept", Type: TypeBool, Default: "false", Into: into(func(s *Socket) *Bool { return &s.Accept }),
		Doc: "one process of the owner for each connection",
	},
	{
		Key: "stdio", Type: TypeBool, Default: "false", Into: into(func(s *Socket) *Bool { return &s.Stdio }),
		Doc: "with `accept`: the connection is standard input and output, not descriptor 3",
	},
	{
		Key: "limits", Type: TypeTable, Inner: &SocketLimitsTable, Into: within(func(s *Socket) **SocketLimits { return &s.Limits }),
		Doc: "how much of the socket may be used",
	},
	{
		Key: "flush-pending", Type: TypeBool, Default: "false", Into: into(func(s *Socket) *Bool { return &s.FlushPending }),
		Doc: "throw away what waits when the owner exits",
	},
}

// Tables inside sockets.
var (
	SocketLimitsTable = Table{Name: "limits", Doc: "how much of a socket may be used", Fields: []Field{
		{
			Key: "trigger", Type: TypeTable, Inner: &BurstTable, Into: within(func(l *SocketLimits) **Burst { return &l.Trigger }),
			Doc: "how often an access may run `trigger` or start the owner",
		},
		{
			Key: "max-connections", Type: TypeInt, Min: 1, Max: math.MaxInt32, Into: into(func(l *SocketLimits) *Int { return &l.MaxConnections }),
			Doc: "how many connections may live at a time",
		},
		{
			Key: "per-source", Type: TypeInt, Min: 1, Max: math.MaxInt32, Into: into(func(l *SocketLimits) *Int { return &l.PerSource }),
			Doc: "how many of them may come from one /32, /64 or user",
		},
		{
			Key: "on-limit", Type: TypeString, Default: `"pause"`, Values: []string{"pause", "refuse", "fail"}, Into: into(func(l *SocketLimits) *String { return &l.OnLimit }),
			Doc: "what happens over a limit",
		},
	}}

	BurstTable = Table{Name: "trigger", Doc: "how many accesses in which time", Fields: []Field{
		{
			Key: "burst", Type: TypeInt, Required: true, Min: 1, Max: math.MaxInt32, Into: into(func(b *Burst) *Int { return &b.Burst }),
			Doc: "how many",
		},
		{
			Key: "interval", Type: TypeDuration, Default: `"2s"`, Min: 1, Max: int64(24 * time.Hour), Into: into(func(b *Burst) *Duration { return &b.Interval }),
			Doc: "in which time",
		},
	}}
)
