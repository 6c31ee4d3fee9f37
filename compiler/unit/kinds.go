package unit

// Kinds lists every kind of unit (SPEC §2 rule 2).
var Kinds = []Kind{
	{
		Table: Table{Name: "socket", Doc: "a listening socket", Fields: socketFields},
		Begin: collect(
			func(f *File) *[]*Socket { return &f.Sockets },
			func(s *Socket) common { return common{at: &s.At, lost: &s.Lost, name: &s.Name} },
		),
	},
	{
		Table: Table{Name: "service", Doc: "a program, or several that run together", Fields: serviceFields, Foreign: []string{"transport"}},
		Begin: collect(
			func(f *File) *[]*Service { return &f.Services },
			func(s *Service) common {
				return common{at: &s.At, lost: &s.Lost, name: &s.Name, finish: s.shareEnv}
			},
		),
	},
	{
		Table: Table{Name: "state", Doc: "a long-lived, typed fact", Fields: stateFields, Foreign: []string{"subscribers", "broadcast"}},
		Newer: "facet",
		Begin: collect(
			func(f *File) *[]*State { return &f.States },
			func(s *State) common { return common{at: &s.At, lost: &s.Lost, name: &s.Name} },
		),
	},
	{
		Table: Table{Name: "signal", Doc: "a one-shot, typed event", Fields: signalFields, Foreign: []string{"subscribers", "broadcast"}},
		Newer: "impulse",
		Begin: collect(
			func(f *File) *[]*Signal { return &f.Signals },
			func(s *Signal) common { return common{at: &s.At, lost: &s.Lost, name: &s.Name} },
		),
	},
	{
		Table: Table{Name: "timer", Doc: "something that happens after a while", Fields: timerFields},
		Begin: collect(
			func(f *File) *[]*Timer { return &f.Timers },
			func(t *Timer) common { return common{at: &t.At, lost: &t.Lost, name: &t.Name} },
		),
	},
	{
		Table: Table{Name: "permission", Doc: "who may do something", Fields: permissionFields},
		Begin: collect(
			func(f *File) *[]*Permission { return &f.Permissions },
			func(p *Permission) common { return common{at: &p.At, lost: &p.Lost, name: &p.Name} },
		),
	},
	{
		Table: Table{Name: "variable", Doc: "a value that the environment may override", Fields: variableFields},
		Begin: collect(
			func(f *File) *[]*Variable { return &f.Variables },
			func(v *Variable) common { return common{at: &v.At, lost: &v.Lost, name: &v.Name} },
		),
	},
	{Table: Table{Name: "mount", Doc: "a mounted file system"}, Support: Foreign},
	{Table: Table{Name: "network", Doc: "a network interface"}, Support: Foreign},
	{Table: Table{Name: "transport-route", Doc: "a route between transports"}, Support: Foreign},
}
