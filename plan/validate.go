package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Validate reports everything in p that rindrun could not rely on: names that
// are malformed, defined twice or refer to nothing of their kind, incomplete
// actions, malformed conditions, payloads of another kind than their target.
// Every problem names its unit; all of them are joined into one error.
func (p *Plan) Validate() error {
	v := &validator{plan: p, index: p.Index(), ids: map[uint16]Name{}, seen: map[string]bool{}}
	v.requires()
	v.transports()
	v.permissions()
	for i := range p.States {
		v.state(&p.States[i])
	}
	for i := range p.Signals {
		v.signal(&p.Signals[i])
	}
	for i := range p.Timers {
		v.timer(&p.Timers[i])
	}
	for i := range p.Variables {
		v.variable(&p.Variables[i])
	}
	for i := range p.Services {
		v.service(&p.Services[i])
	}
	for i := range p.Sockets {
		v.socket(&p.Sockets[i])
	}
	return errors.Join(v.problems...)
}

// validator collects the problems of one plan.
type validator struct {
	plan     *Plan
	index    *Index
	ids      map[uint16]Name // permissions by id
	types    map[string]bool // transports
	seen     map[string]bool // "socket web@http"
	unit     string          // the unit being checked, as problems name it
	problems []error
}

// requires checks that a program which lacks something refuses the plan.
func (v *validator) requires() {
	v.unit = "plan"
	for _, name := range v.plan.Needs() {
		if !slices.Contains(v.plan.Requires, name) {
			v.problem("it uses the feature %s, but does not list it in requires", name)
		}
	}
}

func (v *validator) problem(format string, args ...any) {
	v.problems = append(v.problems, fmt.Errorf("%s: %w", v.unit, fmt.Errorf(format, args...)))
}

// enter starts a unit and checks its name.
func (v *validator) enter(kind string, n Name) {
	v.unit = kind + " " + string(n)
	v.once()
	if err := n.Check(); err != nil {
		v.problem("%w", err)
	}
}

// once reports a unit that the plan has already.
func (v *validator) once() {
	if v.seen[v.unit] {
		v.problem("defined twice")
	}
	v.seen[v.unit] = true
}

func (v *validator) transports() {
	v.types = make(map[string]bool, len(v.plan.Transports))
	for _, t := range v.plan.Transports {
		v.unit = "transport " + t.Name
		switch {
		case t.Name == "":
			v.problem("it has no name")
		case v.types[t.Name]:
			v.problem("listed twice")
		case (t.Shape == nil) != (len(t.Checksums) == 0):
			v.problem("it has either the shape of its sockets or the checksums of its executable, and must have both or none")
		}
		for platform, sum := range t.Checksums {
			if digest, ok := strings.CutPrefix(sum, "sha256:"); !ok || !isSHA256(digest) {
				v.problem("the checksum for %s is %q, want sha256: and 64 hex digits", platform, sum)
			}
		}
		v.types[t.Name] = true
	}
}

func (v *validator) permissions() {
	for i := range v.plan.Permissions {
		q := &v.plan.Permissions[i]
		v.enter("permission", q.Name)
		id, ok := BuiltinPermissions[q.Name.Short()]
		builtin := ok && id == q.ID && q.Name.Group() == BuiltinGroup
		switch other, taken := v.ids[q.ID]; {
		case taken:
			v.problem("id %d is also that of %s", q.ID, other)
		case builtinID(q.ID) && !builtin:
			v.problem("id %d is that of a builtin permission", q.ID)
		}
		v.ids[q.ID] = q.Name
	}
	for i := range v.plan.Permissions {
		q := &v.plan.Permissions[i]
		v.unit = "permission " + string(q.Name)
		v.permissionIDs("links", q.Links)
	}
}

func (v *validator) permissionIDs(field string, ids []uint16) {
	for _, id := range ids {
		if _, ok := v.ids[id]; !ok && !builtinID(id) {
			v.problem("%s has id %d, which is no permission", field, id)
		}
	}
}

func (v *validator) socket(s *Socket) {
	v.enter("socket", s.Name)
	if !v.types[s.Type] {
		v.problem("type %q is not among the transports of the plan", s.Type)
	}
	if err := checkEndpoint(s.Type, s.Listen); err != nil {
		v.problem("listen %q: %w", s.Listen, err)
	}
	if s.Lifecycle != Managed && s.Lifecycle != Owned {
		v.problem("lifecycle is %q, want %s or %s", s.Lifecycle, Managed, Owned)
	}
	v.owner(s)
	if err := CheckFDName(s.FDName); err != nil {
		v.problem("fd_name %q: %w", s.FDName, err)
	}
	v.expr("start_on", s.StartOn)
	v.expr("stop_on", s.StopOn)
	v.actions("trigger", s.Trigger)
	v.actions("on_start", s.OnStart)
	v.actions("on_stop", s.OnStop)
	v.permissionIDs("permissions", s.Permissions)
	v.permissionIDs("managed_by", s.ManagedBy)
	v.access(s)
}

// access checks what a socket says about connections and options.
func (v *validator) access(s *Socket) {
	if s.Stdio && !s.Accept {
		v.problem("stdio is for sockets that accept")
	}
	if s.Accept && s.Owner == "" {
		v.problem("it accepts, but it has no owner")
	}
	for _, name := range s.Prefer {
		if _, ok := s.Options[name]; !ok {
			v.problem("it prefers the option %q, which it does not have", name)
		}
	}
	l := s.Limits
	if l == nil {
		return
	}
	if (l.MaxConnections > 0 || l.PerSource > 0) && !s.Accept {
		v.problem("max_connections and per_source are for sockets that accept")
	}
	if l.Burst < 0 || l.MaxConnections < 0 || l.PerSource < 0 || l.Interval < 0 {
		v.problem("a limit is negative")
	}
	if (l.Burst > 0) != (l.Interval > 0) {
		v.problem("limits.burst and limits.interval go together")
	}
	if !slices.Contains([]string{"pause", "refuse", "fail"}, l.OnLimit) {
		v.problem("limits.on_limit is %q, want pause, refuse or fail", l.OnLimit)
	}
}

func (v *validator) owner(s *Socket) {
	if s.Owner == "" {
		if s.Lifecycle == Owned {
			v.problem("lifecycle is owned, but it has no owner")
		}
		if s.Order != 0 {
			v.problem("it has an order, but no owner")
		}
		return
	}
	owner, ok := v.index.Service(s.Owner)
	if !ok {
		v.problem("owner %q is no service of the plan", s.Owner)
		return
	}
	if s.Lifecycle == Owned && owner.Branching != nil {
		v.problem("lifecycle is owned, but owner %s has an instance for each branch of a state: which one would an access start?", s.Owner)
	}
	siblings := v.index.SocketsOf(s.Owner)
	if s.Accept {
		if owner.Branching != nil {
			v.problem("it accepts, but owner %s has an instance for each branch of a state", s.Owner)
		}
		for _, other := range siblings {
			if !other.Accept {
				v.problem("it accepts, but owner %s also inherits socket %s", s.Owner, other.Name)
			}
		}
	}
	if s.Order < 0 || s.Order >= len(siblings) {
		v.problem("order %d is not below the number of sockets of %s, which is %d", s.Order, s.Owner, len(siblings))
		return
	}
	at := slices.IndexFunc(siblings, func(o *Socket) bool { return o.Order == s.Order })
	if first := siblings[at]; first.Name != s.Name {
		v.problem("order %d is also that of socket %s", s.Order, first.Name)
	}
}

// MaxFDName is how long a descriptor name may be: sd_listen_fds_with_names(3)
// accepts no more.
const MaxFDName = 255

// CheckFDName reports why name cannot stand in LISTEN_FDNAMES: it is printable
// ASCII without the separator ":", at most [MaxFDName] bytes.
func CheckFDName(name string) error {
	if name == "" {
		return errors.New("it is empty")
	}
	if len(name) > MaxFDName {
		return fmt.Errorf("it has %d bytes, at most %d are allowed", len(name), MaxFDName)
	}
	for i := range len(name) {
		if c := name[i]; c < 0x20 || c > 0x7E || c == ':' {
			return fmt.Errorf("%q at byte %d is not allowed: only printable ASCII without ':'", name[i:i+1], i)
		}
	}
	return nil
}

func isSHA256(digest string) bool {
	sum, err := hex.DecodeString(digest)
	return err == nil && len(sum) == sha256.Size && strings.ToLower(digest) == digest
}

// maxSunPath is the longest path or abstract name that bind(2) takes, without
// the NUL at its end or start.
const maxSunPath = 107

// checkEndpoint is a guard against hand-made plans, not the parser of endpoints:
// the compiler has that, and the transport parses what it gets.
func checkEndpoint(transport, listen string) error {
	if listen == "" {
		return errors.New("it is empty")
	}
	if strings.IndexFunc(listen, func(r rune) bool { return r < ' ' || r == 0x7F }) >= 0 {
		return errors.New("it has a control character")
	}
	switch transport {
	case "tcp", "udp":
		colon := strings.LastIndexByte(listen, ':')
		if colon <= 0 {
			return errors.New("want host:port")
		}
		host, port := listen[:colon], listen[colon+1:]
		if strings.ContainsRune(host, ':') && (host[0] != '[' || host[len(host)-1] != ']') {
			return errors.New("an IPv6 address stands in brackets: [::1]:80")
		}
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return fmt.Errorf("port %q is not a number from 0 to 65535", port)
		}
	case "uds":
		if name, abstract := strings.CutPrefix(listen, "@"); (abstract || listen[0] == '/') && len(name) > maxSunPath {
			return fmt.Errorf("it has %d bytes, at most %d are allowed", len(name), maxSunPath)
		}
	}
	return nil
}
