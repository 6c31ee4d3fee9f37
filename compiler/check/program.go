package check

import (
	"github.com/rind-sockets/rind/compiler/action"
	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/resolve"
	"github.com/rind-sockets/rind/compiler/typing"
	"github.com/rind-sockets/rind/compiler/unit"
	"github.com/rind-sockets/rind/grammar"
	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
	"github.com/rind-sockets/rind/plugins/manifest"
)

// Program is all units with what their names and values mean. What could not be
// understood is absent; the rules report why.
type Program struct {
	Table       *resolve.Table
	Transports  []*manifest.Manifest
	Sockets     []*Socket
	Services    []*Service
	States      []*State  // those that unit files define
	Signals     []*Signal // those that unit files define
	Timers      []*Timer
	Permissions []*Permission // those that unit files define

	flow      analysis
	conflicts []conflict
}

// Socket is a socket whose parts are understood.
type Socket struct {
	*resolve.Socket

	Transport *manifest.Manifest // nil: unknown type
	Scheme    *manifest.Scheme   // nil: unknown type
	Endpoint  grammar.Endpoint   // Kind is 0 when it is malformed
	Owner     *resolve.Service   // nil: none, or unknown
	Options   map[string]string  // in the text form of the transport's schema

	Permissions, ManagedBy   []*resolve.Permission
	StartOn, StopOn          *cond.Expr
	Trigger, OnStart, OnStop []plan.Action

	endpointError *grammar.Error
	ownerError    *diag.Diagnostic
	refErrors     []diag.Diagnostic // of permissions and managed-by
	optionErrors  []optionError
}

// optionError is an option that the transport does not take.
type optionError struct {
	option unit.Option
	err    error // nil: the transport has no such option
}

// Service is a service whose parts are understood.
type Service struct {
	*resolve.Service

	StartOn, StopOn *cond.Expr
	OnStart, OnStop []plan.Action

	instances
}

// Permission is a permission whose links are understood.
type Permission struct {
	*resolve.Permission

	Links []*resolve.Permission

	refErrors []diag.Diagnostic
}

// bind types conditions and triggers, whose mistakes it reports to ds, and looks
// up everything else, whose mistakes the rules report.
func bind(table *resolve.Table, transports []*manifest.Manifest, ds *diag.List) *Program {
	p := &Program{Table: table, Transports: transports}
	for _, d := range table.Sockets {
		p.Sockets = append(p.Sockets, p.bindSocket(d, ds))
	}
	for _, d := range table.Services {
		t := typing.Typer{Scope: table.In(d.Group), Report: ds.Add, Broken: d.Unit.Broken}
		p.Services = append(p.Services, &Service{
			Service: d,
			StartOn: t.StartOn(d.Unit.StartOn, typing.All),
			StopOn:  t.Conditions(d.Unit.StopOn, typing.Any),
			OnStart: action.Lower(t, d.Unit.OnStart),
			OnStop:  action.Lower(t, d.Unit.OnStop),

			instances: p.bindInstances(d, ds),
		})
	}
	p.bindFlow(ds)
	for _, d := range table.Permissions {
		if d.Builtin {
			continue
		}
		q := &Permission{Permission: d}
		q.Links, q.refErrors = permissions(table.In(d.Group), d.Unit.Links)
		p.Permissions = append(p.Permissions, q)
	}
	p.analyse()
	p.conflicts = p.findConflicts()
	return p
}

func (p *Program) bindSocket(d *resolve.Socket, ds *diag.List) *Socket {
	scope := p.Table.In(d.Group)
	t := typing.Typer{Scope: scope, Report: ds.Add, Broken: d.Unit.Broken}
	s := &Socket{
		Socket:  d,
		StartOn: t.StartOn(d.Unit.StartOn, typing.Any),
		StopOn:  t.Conditions(d.Unit.StopOn, typing.Any),
		Trigger: action.LowerIn(t, d.Unit.Trigger, action.Where{Access: true, Owned: d.Unit.Owner.Set()}),
		OnStart: action.Lower(t, d.Unit.OnStart),
		OnStop:  action.Lower(t, d.Unit.OnStop),
	}
	if d.Unit.Owner.Set() {
		s.Owner, s.ownerError = scope.Service(d.Unit.Owner)
	}
	var errs []diag.Diagnostic
	s.Permissions, s.refErrors = permissions(scope, d.Unit.Permissions)
	s.ManagedBy, errs = permissions(scope, d.Unit.ManagedBy)
	s.refErrors = append(s.refErrors, errs...)
	s.bindTransport(p.Transports)
	return s
}

// bindTransport reads what only means something to the transport.
func (s *Socket) bindTransport(transports []*manifest.Manifest) {
	for _, m := range transports {
		if scheme, ok := m.Scheme(s.Unit.Type.Value); ok {
			s.Transport, s.Scheme = m, scheme
		}
	}
	if s.Scheme == nil {
		return
	}
	if s.Unit.Listen.Set() {
		s.Endpoint, s.endpointError = grammar.ParseEndpoint(s.Scheme.Name, s.Unit.Listen.Value)
	}
	for _, o := range s.Unit.Options {
		option, ok := s.Scheme.Option(o.Key.Value)
		if !ok {
			s.optionErrors = append(s.optionErrors, optionError{option: o})
			continue
		}
		text, err := option.Text(o.Value.Value)
		if err != nil {
			s.optionErrors = append(s.optionErrors, optionError{option: o, err: err})
			continue
		}
		if s.Options == nil {
			s.Options = map[string]string{}
		}
		s.Options[o.Key.Value] = text
	}
}

// permissions looks up a list of permissions.
func permissions(scope resolve.Scope, refs unit.PermissionRefs) (found []*resolve.Permission, errs []diag.Diagnostic) {
	for _, ref := range refs.Items {
		q, bad := scope.Permission(ref)
		if bad != nil {
			errs = append(errs, *bad)
		}
		if q != nil {
			found = append(found, q)
		}
	}
	return found, errs
}

// Types returns the names of the socket types, in the order of the manifests.
func (p *Program) Types() []string {
	var names []string
	for _, m := range p.Transports {
		for i := range m.Schemes {
			names = append(names, m.Schemes[i].Name)
		}
	}
	return names
}
