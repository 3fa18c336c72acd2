package pooldriver

import (
	"context"
	"database/sql/driver"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/poolsql/poolsql/internal/sqltext"
	"github.com/poolsql/poolsql/priority"
)

// A Carried is a setting of the server's session that each call finds set to what its context carries.
type Carried struct {
	// Name is the setting's, in lower case.
	Name string
	// From says what it is set to.
	From CarriedFrom
	// Default is what it is set to for a call that carries nothing.
	Default string
}

// A CarriedFrom says where a setting's value comes from.
type CarriedFrom uint8

// Where values come from.
const (
	FromSetting CarriedFrom = iota // priority.WithSetting with its name
	FromTenant
	FromUser
	FromLabel
)

// ErrSetting is matched by the error of a call whose context carries a setting that cannot be told. Nothing was sent.
var ErrSetting = errors.New("the setting cannot be told")

// maxSetting bounds the length of a value. Every statement may have to carry it.
const maxSetting = 8 << 10

// A settingError says which setting of a call is wrong. It never has the value in it.
type settingError struct{ name, why string }

func (e *settingError) Error() string {
	return fmt.Sprintf("poolsql: setting %q: %v: %s; nothing was sent", e.name, ErrSetting, e.why)
}
func (e *settingError) Unwrap() error     { return ErrSetting }
func (e *settingError) SafeToRetry() bool { return true }

// carriedSQL returns the statement that sets what a call under o carries, and whether it carries anything. It is of ASCII
// and holds no backslash: an earlier holder may have set client_encoding and standard_conforming_strings to anything.
func (opts *Options) carriedSQL(o *priority.Options, local bool) (sql string, any bool, err error) {
	if o == nil {
		o = new(priority.Options)
	}
	for s := o.Settings; s != nil; s = s.Next {
		if !opts.carries(s.Name) {
			return "", false, &settingError{s.Name, "Config.SessionSettings does not name it, so that nobody would take it back"}
		}
	}
	var b strings.Builder
	b.WriteString("select ")
	for i := range opts.Carried {
		c := &opts.Carried[i]
		value, given := c.value(o)
		any = any || given
		if why := unfit(value); why != "" {
			return "", false, &settingError{c.Name, why}
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString("pg_catalog.set_config('")
		b.WriteString(c.Name) // checked by the configuration
		b.WriteString("',")
		writeText(&b, value)
		if local {
			b.WriteString(",true) is null") // and not the value, which client_encoding may not have
		} else {
			b.WriteString(",false) is null")
		}
	}
	return b.String(), any, nil
}

func (opts *Options) carries(name string) bool {
	for i := range opts.Carried {
		if c := &opts.Carried[i]; c.From == FromSetting && c.Name == name {
			return true
		}
	}
	return false
}

func (c *Carried) value(o *priority.Options) (value string, given bool) {
	switch c.From {
	case FromTenant:
		value = o.Tenant
	case FromUser:
		value = o.User
	case FromLabel:
		value = o.Label
	default:
		for s := o.Settings; s != nil; s = s.Next {
			if s.Name == c.Name {
				return s.Value, true
			}
		}
	}
	if value == "" {
		return c.Default, false
	}
	return value, true
}

// unfit says why a value cannot be told, "" if it can.
func unfit(value string) string {
	switch {
	case len(value) > maxSetting:
		return fmt.Sprintf("its value has %d bytes, more than %d", len(value), maxSetting)
	case strings.ContainsRune(value, 0):
		return "its value has a zero byte"
	case !utf8.ValidString(value):
		return "its value is no UTF-8"
	}
	return ""
}

// writeText writes value as an expression that means the same whatever the session's settings.
func writeText(b *strings.Builder, value string) {
	for i := range len(value) {
		if c := value[i]; !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-_.:@/ ", c) >= 0) {
			b.WriteString("pg_catalog.convert_from(pg_catalog.decode('")
			b.WriteString(hex.EncodeToString([]byte(value)))
			b.WriteString("','hex'),'UTF8')")
			return
		}
	}
	b.WriteByte('\'')
	b.WriteString(value)
	b.WriteByte('\'')
}

// told is what is known of the carried settings of one connection.
type told struct {
	sql   string // what was set, and is committed; "" if that is not known
	inTx  bool   // something else was set in the transaction that is open
	armed []byte // what goes before the statement that is about to be sent
}

// forget notes that nothing is known any more.
func (t *told) forget() { *t = told{} }

// carry sees to it that what runs next finds the settings that its call carries. Where it can, it sends nothing yet: what is
// to be told goes with the statement's first message, and if that cannot be set the server does not run the statement.
// Whatever an earlier holder has left behind is never relied upon.
func (s *Session) carry(ctx context.Context, o *priority.Options, call Call) error {
	c := s.conn
	c.carried.armed = nil
	if call.Kind.ends() || call.Kind == OpPing || call.Kind == OpPrepare {
		return nil // nothing of the caller's runs
	}
	shared := c.opts.Pooler.shared()
	sql, any, err := c.opts.carriedSQL(o, shared)
	if err != nil || c.pg == nil { // of another driver's there are none to be told, and who carries some has heard so
		return err
	}
	status := c.pg.PgConn().TxStatus()
	switch {
	case call.Kind == OpBegin && status != 'I', status == 'E', c.busy():
		return nil // nothing runs there anyway
	case shared && call.Kind == OpBegin:
		return nil // carryAtBegin does it
	case shared && status == 'I':
		c.carried.forget() // the transaction that they were told is over
		if !any {
			return nil // by us nothing was ever set there but in transactions
		}
		instead := "run it in a transaction, which has them by SET LOCAL"
		if c.opts.Pooler == PoolerStatement {
			instead = insteadDirect
		}
		return &SessionError{Statement: "a statement of a call with settings", Pooler: c.opts.Pooler, Instead: instead}
	case c.carried.sql == sql && !c.carried.inTx:
		return nil
	case status == 'T':
		c.carried.inTx = true // what is set now may be taken back by ROLLBACK TO
		return c.carryNow(ctx, sql, false)
	case c.guard != nil && call.Kind == OpBegin:
		c.carried.sql = ""
		c.arm(query(sql), 0)
		return nil
	case c.guard != nil && !call.Simple && !c.simple && sqltext.IsPlain(call.Text):
		c.carried.sql = "" // it is one transaction with the statement, and fails with it
		c.arm(extended(sql), extendedAnswers)
		return nil
	default:
		return c.carryNow(ctx, sql, true)
	}
}

// carryNow tells the server in a round trip of its own.
func (c *Conn) carryNow(ctx context.Context, sql string, lasting bool) error {
	c.carried.sql = ""
	if _, err := c.boundedBy(ctx, sql, c.opts.EndTimeout); err != nil {
		return fmt.Errorf("setting what the call carries: %w", c.harmless(ctx, err))
	}
	if lasting {
		c.carried.sql = sql
	}
	return nil
}

// carryAtBegin returns what goes with a BEGIN through a pooler, for the transaction alone: for who carries nothing too, as others
// may have set something for the session.
func (opts *Options) carryAtBegin(o *priority.Options) (string, error) {
	if len(opts.Carried) == 0 || !opts.Pooler.shared() {
		return "", nil
	}
	sql, _, err := opts.carriedSQL(o, true)
	if err != nil {
		return "", err
	}
	return "; " + sql, nil
}

// carriedByBegin notes that the settings that went with a BEGIN are set, or returns why they are not.
func (s *Session) carriedByBegin(o *priority.Options) error {
	c := s.conn
	if c.carried.armed == nil {
		if len(c.opts.Carried) > 0 && c.opts.Pooler.shared() {
			c.carried.sql, _, _ = c.opts.carriedSQL(o, true)
		}
		return nil
	}
	if err := c.guard.socket.Load().prologue.failure(); err != nil {
		return fmt.Errorf("setting what the call carries: %w", err)
	}
	c.carried.sql, _, _ = c.opts.carriedSQL(o, false)
	return nil
}

// arm has messages sent before the next that the connection sends.
func (c *Conn) arm(messages []byte, answers int) {
	c.carried.armed = messages
	c.guard.socket.Load().prologue.arm(messages, answers)
}

// rearm is for a statement that is sent again: what went before it was taken back with it.
func (c *Conn) rearm() {
	if c.carried.armed != nil {
		c.guard.socket.Load().prologue.arm(c.carried.armed, extendedAnswers)
	}
}

// disarm takes back what was not sent: the statement failed before.
func (c *Conn) disarm() {
	if c.carried.armed != nil {
		c.carried.armed = nil
		c.guard.socket.Load().prologue.disarm()
	}
}

// extendedAnswers is how many messages answer to what extended returns: ParseComplete, BindComplete, DataRow and
// CommandComplete.
const extendedAnswers = 4

// extended returns the messages that run sql, without a Sync: what follows belongs to the same transaction, and is not run
// if sql fails.
func extended(sql string) []byte {
	b, _ := (&pgproto3.Parse{Query: sql}).Encode(make([]byte, 0, len(sql)+64))
	b, _ = (&pgproto3.Bind{}).Encode(b)
	b, _ = (&pgproto3.Execute{}).Encode(b)
	return b
}

// query returns the message that runs sql by the simple protocol, as a transaction of its own.
func query(sql string) []byte {
	b, _ := (&pgproto3.Query{String: sql}).Encode(make([]byte, 0, len(sql)+8))
	return b
}

// isSimple reports whether a statement with these arguments may be sent by the simple protocol, or after something that is.
func isSimple(args []driver.NamedValue, st *stmt, exec bool) bool {
	if len(args) == 0 {
		return exec && (st == nil || !st.named)
	}
	switch args[0].Value.(type) {
	case pgx.QueryExecMode, pgx.QueryRewriter, pgx.QueryResultFormats, pgx.QueryResultFormatsByOID:
		return true
	}
	return false
}
