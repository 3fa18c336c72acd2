package main

import (
	"testing"

	"github.com/poolsql/poolsql/examples/internal/programtest"
)

func TestItShowsWhatItSays(t *testing.T) {
	programtest.RequireShown(t, "gorm", show, `
a second Lem is a gorm.ErrDuplicatedKey
Lem: 2 books
Ursula K. Le Guin: 0 books
`)
}
