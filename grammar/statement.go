package grammar

import "strings"

// statementReader turns the tree of the parser into a Statement.
type statementReader struct{ conditionReader }

func (r *statementReader) statement(t *statementTree) *Statement {
	switch {
	case t.Scenario != "":
		return &Statement{Verb: "scenario", Text: r.text(t.Scenario)}
	case t.Given != nil:
		return r.assign("given state", t.Given)
	case t.Set != nil:
		return r.assign("set state", t.Set)
	case t.Emit != nil:
		return r.assign("emit signal", t.Emit)
	case t.Remove != nil:
		return &Statement{Verb: "remove state", Unit: word(t.Remove.Unit), Guard: r.test(t.Remove.Guard)}
	case t.Access != nil:
		return r.access(t.Access)
	case t.Start != nil:
		return &Statement{Verb: "start " + t.Start.Kind, Unit: word(t.Start.Unit)}
	case t.Stop != nil:
		return &Statement{Verb: "stop " + t.Stop.Kind, Unit: word(t.Stop.Unit)}
	case t.Exit != nil:
		return r.exit(t.Exit)
	case t.Ready != nil:
		return &Statement{Verb: "ready service", Unit: word(t.Ready)}
	case t.Wait != nil:
		return r.wait(t.Wait)
	case t.Boot:
		return &Statement{Verb: "boot"}
	case t.Shutdown:
		return &Statement{Verb: "shutdown"}
	case t.Expect != nil:
		return r.expect(t.Expect)
	}
	return r.conduct(t)
}

// conduct reads how the world behaves.
func (r *statementReader) conduct(t *statementTree) *Statement {
	switch {
	case t.Socket != nil && t.Socket.Can:
		return &Statement{Verb: "socket can open", Unit: word(t.Socket.Unit)}
	case t.Socket != nil:
		return &Statement{Verb: "socket cannot open", Unit: word(t.Socket.Unit), Text: r.text(t.Socket.Reason)}
	case t.Program != nil && t.Program.Prints != "":
		return &Statement{Verb: "program prints", Text: r.text(t.Program.Path), Args: []string{r.text(t.Program.Prints)}}
	case t.Program != nil:
		return &Statement{Verb: "program fails", Text: r.text(t.Program.Path), Args: []string{r.text(t.Program.Fails)}}
	}
	s := &Statement{Unit: word(t.Service.Unit)}
	switch c := t.Service; {
	case c.Can:
		s.Verb = "service can start"
	case c.Silent:
		s.Verb = "service is silent"
	case c.Ignores != nil:
		s.Verb, s.Words = "service ignores", []Word{word(c.Ignores)}
	case c.Heeds != nil:
		s.Verb, s.Words = "service heeds", []Word{word(c.Heeds)}
	default:
		s.Verb, s.Text = "service cannot start", r.text(c.Reason)
	}
	return s
}

func (r *statementReader) expect(t *expectedTree) *Statement {
	switch {
	case t.Nothing && t.Else:
		return &Statement{Verb: "expect nothing else"}
	case t.Nothing:
		return &Statement{Verb: "expect nothing"}
	case len(t.Run) > 0:
		return &Statement{Verb: "expect run", Args: each(t.Run, r.text)}
	case t.Problem != "":
		return &Statement{Verb: "expect problem", Text: r.text(t.Problem)}
	case t.Denied != nil:
		return &Statement{Verb: "expect denied", Unit: word(t.Denied)}
	case t.Refused != nil:
		return &Statement{Verb: "expect refused", Unit: word(t.Refused)}
	case t.Socket != nil:
		return status("socket", t.Socket)
	case t.Service != nil:
		return status("service", t.Service)
	case t.Timer != nil:
		return status("timer", t.Timer)
	case t.State != nil:
		return r.fact("state", t.No, t.State)
	}
	return r.fact("signal", t.No, t.Signal)
}

func status(kind string, t *statusTree) *Statement {
	return &Statement{Verb: "expect " + kind, Unit: word(t.Unit), Words: []Word{word(t.State)}}
}

func (r *statementReader) fact(kind string, no bool, t *factTree) *Statement {
	return &Statement{Verb: "expect " + kind, No: no, Unit: word(t.Unit), Value: r.value(t.Value), Guard: r.test(t.Guard)}
}

func (r *statementReader) assign(verb string, t *assignTree) *Statement {
	return &Statement{Verb: verb, Unit: word(t.Unit), Value: r.value(t.Value)}
}

func (r *statementReader) access(t *accessTree) *Statement {
	s := &Statement{Verb: "access socket", Unit: word(t.Unit), Args: []string{r.text(t.From), r.text(t.Data)}}
	if t.As == nil {
		return s
	}
	s.As = &Accessor{Groups: each(t.As.Groups, word)}
	if t.As.UID != nil {
		s.As.UID = word(t.As.UID)
		if strings.Trim(s.As.UID.Text, "0123456789") != "" || len(s.As.UID.Text) > 10 {
			r.failAt(s.As.UID, "write a number: `as uid 1000`, or `as user NAME`", "is no uid")
		}
		return s
	}
	s.As.User = word(t.As.User)
	return s
}

func (r *statementReader) exit(t *exitTree) *Statement {
	s := &Statement{Verb: "exit service", Unit: word(t.Unit)}
	switch {
	case t.Signal != nil:
		s.Verb, s.Words = "exit service signal", []Word{word(t.Signal)}
	case t.Status != nil:
		s.Words = []Word{word(t.Status)}
		if text := t.Status.Text; strings.Trim(text, "0123456789") != "" || len(text) > 3 {
			r.failAt(s.Words[0], "write a number from 0 to 255", "is no exit status")
		}
	}
	return s
}

func (r *statementReader) wait(t *wordTree) *Statement {
	d, bad := ParseDuration(t.Text)
	if bad != nil {
		r.fail(errorAt(t.Pos.Offset+bad.From, t.Pos.Offset+bad.To, bad.Help, "%s", bad.Message))
	}
	if d < 0 {
		r.failAt(word(t), "time only passes: write `100ms` or `5s`", "is not a time to wait")
	}
	return &Statement{Verb: "wait", Time: d}
}

func (r *statementReader) failAt(w Word, help, problem string) {
	r.fail(errorAt(w.At.From, w.At.To, help, "%q %s", w.Text, problem))
}

func word(t *wordTree) Word {
	return Word{t.Text, Extent{t.Pos.Offset, t.Pos.Offset + len(t.Text)}}
}

// text returns what a quoted string says; of one that is not there, nothing.
func (r *statementReader) text(quoted string) string {
	if quoted == "" {
		return ""
	}
	return r.unquote(quoted, max(strings.Index(r.conditionReader.text, quoted), 0))
}

func (r *statementReader) value(t *literalTree) *Literal {
	if t == nil {
		return nil
	}
	return &Literal{Tree: r.literal(t), At: Extent{t.Pos.Offset, t.EndPos.Offset}}
}

func (r *statementReader) test(t *guardTree) *ConditionGuard {
	if t == nil {
		return nil
	}
	g := r.guard(t, 0)
	return &g
}

// shift moves every place by the offset of the statement in its file. Those
// within a guard stay: they are told in words.
func (s *Statement) shift(by int) {
	move := func(e *Extent) { e.From, e.To = e.From+by, e.To+by }
	move(&s.Unit.At)
	for i := range s.Words {
		move(&s.Words[i].At)
	}
	if s.Value != nil {
		move(&s.Value.At)
	}
	if s.As != nil {
		move(&s.As.UID.At)
		move(&s.As.User.At)
		for i := range s.As.Groups {
			move(&s.As.Groups[i].At)
		}
	}
}
