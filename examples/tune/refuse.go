package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// definitions are first words of statements that change what is there, and not what is in it.
var definitions = []string{"drop", "truncate", "alter", "create", "reindex", "cluster", "vacuum", "grant", "revoke", "reassign", "refresh"}

var (
	sqlComment = regexp.MustCompile(`(?s)--[^\n]*|/\*.*?\*/`)
	whereWord  = regexp.MustCompile(`(?i)\bwhere\b`)
)

// refuse fails on a statement that nobody can mean to run thousands of times. It is a net under a slip, no more: what
// keeps the database as it is without -write is the server, which has been told that transactions are read-only.
func refuse(query string) error {
	text := sqlComment.ReplaceAllString(query, " ")
	words := strings.Fields(strings.ToLower(text))
	if len(words) == 0 {
		return fmt.Errorf("the statement to measure is only a comment")
	}
	first := strings.Trim(words[0], "(;")
	switch {
	case slices.Contains(definitions, first):
		return fmt.Errorf("a statement that begins with %s is no load to run thousands of times: refused", strings.ToUpper(first))
	case (first == "delete" || first == "update") && !whereWord.MatchString(text):
		return fmt.Errorf("%s without WHERE touches every row, thousands of times: refused", strings.ToUpper(first))
	}
	return nil
}
