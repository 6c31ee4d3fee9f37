package check

import (
	"fmt"
	"maps"
	"slices"

	"github.com/rind-sockets/rind/compiler/action"
	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/resolve"
	"github.com/rind-sockets/rind/compiler/source"
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
	Prefer    []string           // those of them that the kernel may refuse, sorted

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
	name    string // with the table it is in: "keepalive.time"
	value   any
	key, at source.Place
	err     error // nil: the transport has no such option
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

// shares is into how many parts the units are divided that are bound at the same
// time. What is found must not depend on the machine, so it is always the same.
const shares = 4

// bind types conditions and triggers, whose mistakes it reports to ds, and looks
// up everything else, whose mistakes the rules report.
func bind(table *resolve.Table, transports []*manifest.Manifest, each func(n int, do func(i int)), ds *diag.List) *Program {
	var parts [shares]Program
	var found [shares]diag.List
	for i := range shares {
		parts[i] = Program{Table: table.View(shares), Transports: transports}
	}
	each(shares, func(i int) { parts[i].bindShare(i, &found[i]) })
	p := &Program{Table: table, Transports: transports}
	for i := range shares {
		ds.Append(&found[i])
		p.Sockets = append(p.Sockets, parts[i].Sockets...)
		p.Services = append(p.Services, parts[i].Services...)
		p.States = append(p.States, parts[i].States...)
		p.Signals = append(p.Signals, parts[i].Signals...)
		p.Timers = append(p.Timers, parts[i].Timers...)
		p.Permissions = append(p.Permissions, parts[i].Permissions...)
	}
	p.analyse(each)
	p.conflicts = p.findConflicts()
	return p
}

// share returns one of the parts of a list.
func share[T any](list []T, i int) []T {
	return list[i*len(list)/shares : (i+1)*len(list)/shares]
}

// bindShare binds one part of the units of every kind.
func (p *Program) bindShare(i int, ds *diag.List) {
	for _, d := range share(p.Table.Sockets, i) {
		p.Sockets = append(p.Sockets, p.bindSocket(d, ds))
	}
	for _, d := range share(p.Table.Services, i) {
		t := p.typer(d.Group, d.Unit.Lost, ds)
		p.Services = append(p.Services, &Service{
			Service: d,
			StartOn: t.StartOn(d.Unit.StartOn, typing.All),
			StopOn:  t.Conditions(d.Unit.StopOn, typing.Any),
			OnStart: action.Lower(t, d.Unit.OnStart),
			OnStop:  action.Lower(t, d.Unit.OnStop),

			instances: p.bindInstances(d, ds),
		})
	}
	p.bindFlow(i, ds)
	for _, d := range share(p.Table.Permissions, i) {
		if d.Builtin {
			continue
		}
		q := &Permission{Permission: d}
		q.Links, q.refErrors = permissions(p.Table.In(d.Group), d.Unit.Links)
		p.Permissions = append(p.Permissions, q)
	}
}

func (p *Program) bindSocket(d *resolve.Socket, ds *diag.List) *Socket {
	t := p.typer(d.Group, d.Unit.Lost, ds)
	scope := t.Scope
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
		s.checkAddress()
	}
	for _, o := range s.Unit.Options {
		s.bindOption(o.Key.Value, o.Value.Value, o.Prefer, o.Key.At, o.Value.At)
	}
	slices.Sort(s.Prefer)
}

// checkAddress checks what the manifest says about endpoints of another kind than
// those that the grammar knows.
func (s *Socket) checkAddress() {
	if s.endpointError != nil || s.Endpoint.Kind != grammar.Other {
		return
	}
	if err := s.Scheme.CheckAddress(s.Endpoint.String()); err != nil {
		s.endpointError = &grammar.Error{
			To: len(s.Unit.Listen.Value), Message: fmt.Sprintf("%q is no endpoint of %s: %v", s.Endpoint, s.Scheme.Name, err),
			Help: exampleHelp(s.Scheme),
		}
		s.Endpoint = grammar.Endpoint{}
	}
}

// exampleHelp shows an endpoint that the manifest has as an example.
func exampleHelp(s *manifest.Scheme) string {
	for _, e := range s.Examples {
		if e.OK {
			return fmt.Sprintf("write one such as `%s`", e.Listen)
		}
	}
	return "see the manual of the plugin"
}

// bindOption reads one option, or a table of options such as keepalive, whose
// keys are options of their own in the plan and on the wire: "keepalive.time".
func (s *Socket) bindOption(name string, v any, prefer bool, key, at source.Place) {
	option, ok := s.Scheme.Option(name)
	if !ok {
		s.bindOptionTable(name, v, prefer, key, at)
		return
	}
	text, err := option.Text(v)
	if err != nil {
		s.optionErrors = append(s.optionErrors, optionError{name: name, value: v, key: key, at: at, err: err})
		return
	}
	if s.Options == nil {
		s.Options = map[string]string{}
	}
	s.Options[name] = text
	if prefer {
		s.Prefer = append(s.Prefer, name)
	}
}

func (s *Socket) bindOptionTable(name string, v any, prefer bool, key, at source.Place) {
	bad := optionError{name: name, key: key, at: at}
	keys := s.Scheme.Table(name)
	table, isTable := v.(map[string]any)
	switch {
	case len(keys) == 0:
		s.optionErrors = append(s.optionErrors, bad)
		return
	case !isTable || len(table) == 0:
		bad.err = fmt.Errorf("must be a table with keys such as `%s`", keys[0])
		s.optionErrors = append(s.optionErrors, bad)
		return
	}
	for _, inner := range slices.Sorted(maps.Keys(table)) {
		at := at.At(inner)
		v, preferred := table[inner], prefer
		if wish, ok := v.(map[string]any); ok && len(wish) == 1 && wish["prefer"] != nil {
			preferred, v = true, wish["prefer"]
		}
		if full := name + "." + inner; slices.Contains(keys, inner) {
			s.bindOption(full, v, preferred, at.OfKey(), at)
		} else {
			s.optionErrors = append(s.optionErrors, optionError{name: full, key: at.OfKey(), at: at})
		}
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
