// Command gorm shows poolsql under GORM: the dialect takes the *sql.DB.
//
//	go run ./examples/libraries/gorm
//
// You will see a migration, associations, a transaction with a part of it undone, and a class and a label for what GORM
// sends. What GORM would set on the *sql.DB for the pool's size (SetMaxOpenConns) is Config.MaxConns here, and must not be
// set there. GORM's PrepareStmt is not needed: poolsql keeps what it has prepared on each connection.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/poolsql/poolsql"
	"github.com/poolsql/poolsql/examples/internal/short"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

func main() { short.Main("gorm", show) }

// Author and Book are GORM's models, which it wants exported.
type (
	Author struct {
		ID    uint
		Name  string `gorm:"unique"`
		Books []Book
	}
	Book struct {
		ID       uint
		AuthorID uint
		Title    string
	}
)

func show(ctx context.Context, cfg poolsql.Config, out io.Writer) error {
	pool, err := poolsql.Open(cfg) // in your program: poolsql.Open(poolsql.Config{DSN: dsn, MaxConns: 20})
	if err != nil {
		return err
	}
	defer pool.Close()
	db, err := gorm.Open(postgres.New(postgres.Config{Conn: pool}), &gorm.Config{
		Logger: logger.Discard, TranslateError: true,
	})
	if err != nil {
		return err
	}

	// A migration may take long, and is meant to.
	if err := db.WithContext(poolsql.WithoutLimits(ctx)).AutoMigrate(&Author{}, &Book{}); err != nil {
		return err
	}
	ctx = poolsql.WithLabel(ctx, "library")
	err = db.WithContext(ctx).Create(&[]Author{
		{Name: "Lem", Books: []Book{{Title: "Solaris"}, {Title: "Fiasco"}}}, {Name: "Le Guin"},
	}).Error
	if err != nil {
		return err
	}
	if err := db.WithContext(ctx).Create(&Author{Name: "Lem"}).Error; !errors.Is(err, gorm.ErrDuplicatedKey) {
		return fmt.Errorf("a second Lem: %w", err)
	}
	fmt.Fprintln(out, "a second Lem is a gorm.ErrDuplicatedKey")

	errUndo := errors.New("not this one")
	err = db.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		if err := tx.Model(&Author{}).Where("name = ?", "Le Guin").Update("name", "Ursula K. Le Guin").Error; err != nil {
			return err
		}
		err := tx.Transaction(func(tx *gorm.DB) error { // a savepoint
			if err := tx.Where("true").Delete(&Book{}).Error; err != nil {
				return err
			}
			return errUndo
		})
		if !errors.Is(err, errUndo) {
			return err
		}
		return nil
	})
	if err != nil {
		return err
	}

	var authors []Author
	urgent := poolsql.WithPriority(ctx, poolsql.High)
	if err := db.WithContext(urgent).Preload("Books").Order("id").Find(&authors).Error; err != nil {
		return err
	}
	for _, a := range authors {
		fmt.Fprintf(out, "%s: %d books\n", a.Name, len(a.Books))
	}
	return nil
}
