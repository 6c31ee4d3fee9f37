package store

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"go.etcd.io/bbolt"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
)

// What is in the file. The bucket "rind" has the number of the schema; the bucket
// "states" has one record for each branch.
//
// The key of a record is the name of the state, NUL, and the branch; if that is too
// long for a key, 0x01 and its SHA-256. The value is a CRC-32C of key and document,
// big-endian, and the document. bbolt itself has no checksums of what it keeps.
var (
	infoBucket   = []byte("rind")
	statesBucket = []byte("states")
	schemaKey    = []byte("schema")
)

// schema is the version that this program writes.
const schema = 1

const (
	maxKey       = 1024
	checksumSize = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// document is a record without its checksum. Seq gives the branches of a state
// the order in which they appeared.
type document struct {
	Seq    uint64          `json:"seq"`
	State  plan.Name       `json:"state"`
	Branch string          `json:"branch"`
	Value  json.RawMessage `json:"value"` // as a plan has it
}

// recordKey returns the key of a record.
func recordKey(state plan.Name, branch string) string {
	key := string(state) + "\x00" + branch
	if len(key) <= maxKey {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return "\x01" + string(sum[:])
}

func checksum(key, doc []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, doc)
}

// encodeRecord returns the value of a record.
func encodeRecord(key []byte, doc document) ([]byte, error) {
	text, err := json.Marshal(doc)
	if err != nil {
		return nil, err
	}
	record := binary.BigEndian.AppendUint32(make([]byte, 0, checksumSize+len(text)), checksum(key, text))
	return append(record, text...), nil
}

// decodeRecord checks a record and returns its document. An error means that the
// file is damaged.
func decodeRecord(key, record []byte) (document, error) {
	var doc document
	if len(record) < checksumSize {
		return doc, errors.New("a record is cut off")
	}
	text := record[checksumSize:]
	if binary.BigEndian.Uint32(record) != checksum(key, text) {
		return doc, fmt.Errorf("the record of state %q has another checksum", stateOf(key))
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		return doc, fmt.Errorf("the record of state %q: %w", stateOf(key), err)
	}
	if recordKey(doc.State, doc.Branch) != string(key) {
		return doc, fmt.Errorf("the record of state %q is that of another", stateOf(key))
	}
	return doc, nil
}

func stateOf(key []byte) string {
	name, _, _ := strings.Cut(string(bytes.ToValidUTF8(key, []byte("?"))), "\x00")
	return name
}

// encodeValue returns a value as a record has it. It refuses what would be
// something else after a restart.
func encodeValue(v cond.Value) (json.RawMessage, error) {
	if v.Kind() == cond.String && !utf8.ValidString(v.Text()) {
		return nil, errors.New("text that is not valid UTF-8 cannot be saved")
	}
	return v.MarshalJSON()
}

// batch is what many changes come to: one change for each branch.
type batch struct {
	changes map[string]*pending // by the keys of their records
	next    int                 // place in the order of appearance
}

// pending is what is to become of one branch.
type pending struct {
	state  plan.Name
	branch string
	value  json.RawMessage // nil: it is gone
	anew   bool            // it was gone in between, so its place on disk is void
	at     int             // when it appeared
}

// add adds changes, all of them or none.
func (b *batch) add(changes []Change) error {
	values := make([]json.RawMessage, len(changes))
	for i, c := range changes {
		if c.Value == nil {
			continue
		}
		var err error
		if values[i], err = encodeValue(*c.Value); err != nil {
			return fmt.Errorf("state %s: %w", c.State, err)
		}
	}
	if b.changes == nil {
		b.changes = map[string]*pending{}
	}
	for i, c := range changes {
		b.set(c, values[i])
	}
	return nil
}

func (b *batch) set(c Change, value json.RawMessage) {
	key := recordKey(c.State, c.Branch)
	p := b.changes[key]
	if p == nil {
		p = &pending{state: c.State, branch: c.Branch}
		b.changes[key] = p
	}
	if p.value == nil { // it appears, or is gone already
		b.next++
		p.at = b.next
	}
	if value == nil {
		p.anew = true
	}
	p.value = value
}

// apply makes the changes in a transaction.
func (b *batch) apply(tx *bbolt.Tx) error {
	states := tx.Bucket(statesBucket)
	if states == nil {
		return fmt.Errorf("bucket %q is gone", statesBucket)
	}
	keys := slices.SortedFunc(maps.Keys(b.changes), func(x, y string) int {
		return cmp.Compare(b.changes[x].at, b.changes[y].at)
	})
	for _, key := range keys {
		if err := b.changes[key].apply(states, []byte(key)); err != nil {
			return fmt.Errorf("state %s: %w", b.changes[key].state, err)
		}
	}
	return nil
}

func (p *pending) apply(states *bbolt.Bucket, key []byte) error {
	if p.value == nil {
		return states.Delete(key)
	}
	doc := document{State: p.state, Branch: p.branch, Value: p.value}
	if old := states.Get(key); old != nil && !p.anew {
		if have, err := decodeRecord(key, old); err == nil { // else it is replaced
			doc.Seq = have.Seq
		}
	}
	if doc.Seq == 0 {
		seq, err := states.NextSequence()
		if err != nil {
			return err
		}
		doc.Seq = seq
	}
	record, err := encodeRecord(key, doc)
	if err != nil {
		return err
	}
	return states.Put(key, record)
}

// Load returns every branch on disk: the states by name, their branches in the
// order in which they appeared.
func (s *Store) Load() ([]Branch, error) {
	var loaded []Branch
	err := s.touch(func() error {
		return s.db.View(func(tx *bbolt.Tx) error {
			var err error
			loaded, err = load(tx)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", s.path, err)
	}
	return loaded, nil
}

func load(tx *bbolt.Tx) ([]Branch, error) {
	var docs []document
	err := tx.Bucket(statesBucket).ForEach(func(key, record []byte) error {
		doc, err := decodeRecord(key, record)
		docs = append(docs, doc)
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(docs, func(x, y document) int {
		return cmp.Or(cmp.Compare(x.State, y.State), cmp.Compare(x.Seq, y.Seq))
	})
	loaded := make([]Branch, len(docs))
	for i, doc := range docs {
		loaded[i] = Branch{State: doc.State, Branch: doc.Branch}
		loaded[i].Err = loaded[i].Value.UnmarshalJSON(doc.Value)
	}
	return loaded, nil
}
