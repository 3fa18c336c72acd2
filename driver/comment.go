package pooldriver

import (
	"context"
	"database/sql/driver"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"
)

var errComment = errors.New("poolsql: Comment returned a text that would begin or end a comment, or has a zero byte in it; " +
	"the statement was not sent")

// commented returns query with the comment of the configuration behind it. A statement of Prepare is one text for all who
// run it, and has none.
func (c *Conn) commented(ctx context.Context, query string, args []driver.NamedValue, st *stmt) (string, error) {
	if c.opts.Comment == nil || st != nil || query == "" {
		return query, nil
	}
	comment := c.opts.Comment(ctx, c.keepsTexts(args))
	if comment == "" {
		return query, nil
	}
	if strings.Contains(comment, "*/") || strings.Contains(comment, "/*") || strings.ContainsRune(comment, 0) ||
		comment[0] == '/' || comment[len(comment)-1] == '*' { // which would do so together with what stands around it
		return "", errComment
	}
	return query + " /*" + comment + "*/", nil
}

// maxPgxOptions is how many of pgx's options may stand before the arguments of a statement: one of each kind.
const maxPgxOptions = 4

// keepsTexts reports whether something is kept by the text of a statement that runs with these arguments: a prepared
// statement or its description.
func (c *Conn) keepsTexts(args []driver.NamedValue) bool {
	if c.pg == nil {
		return true // nobody knows
	}
	for _, arg := range args[:min(len(args), maxPgxOptions)] {
		if mode, ok := arg.Value.(pgx.QueryExecMode); ok {
			return mode == pgx.QueryExecModeCacheStatement || mode == pgx.QueryExecModeCacheDescribe
		}
	}
	return c.texts
}
