// Package gorm_test holds what programs do with GORM's second version, as far as it comes to the driver: how statements are
// prepared, what columns say of themselves, which connection serves, how transactions nest and how errors look. It runs on
// whatever openers_test.go puts under gorm.io/driver/postgres.
package gorm_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/logger"
)

type user struct {
	ID        uint
	Name      string `gorm:"uniqueIndex;size:40;not null"`
	Age       *int
	Avatar    []byte
	Tags      []string `gorm:"serializer:json"`
	Born      *time.Time
	Active    sql.NullBool
	Weight    float64 `gorm:"type:numeric(10,2)"`
	CompanyID *uint
	Company   *company
	Pets      []pet
	Languages []language `gorm:"many2many:user_languages"`
	CreatedAt time.Time
	DeletedAt gorm.DeletedAt
}

type company struct {
	ID   uint
	Name string
}

type pet struct {
	ID     uint
	UserID uint
	Name   string
}

type language struct {
	Code string `gorm:"primaryKey"`
}

// open returns GORM on a schema of the test's own.
func open(t *testing.T, config *gorm.Config) *gorm.DB {
	t.Helper()
	config.Logger = logger.Discard
	config.TranslateError = true
	dsn := os.Getenv("GORM_DSN")
	direct, err := gorm.Open(postgres.Open(dsn), &gorm.Config{Logger: logger.Discard})
	must(t, err)
	schema := fmt.Sprintf("s%d", time.Now().UnixNano())
	must(t, direct.Exec("create schema "+schema).Error)
	shut(t, direct)
	db, err := gorm.Open(postgres.Open(dsn+"&search_path="+schema), config)
	must(t, err)
	t.Cleanup(func() { shut(t, db) })
	must(t, db.AutoMigrate(&company{}, &language{}, &user{}, &pet{}))
	return db
}

func shut(t *testing.T, db *gorm.DB) {
	t.Helper()
	pool, err := db.DB()
	must(t, err)
	must(t, pool.Close())
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// both runs a test with and without GORM's own cache of prepared statements.
func both(t *testing.T, f func(t *testing.T, db *gorm.DB)) {
	for _, prepare := range []bool{false, true} {
		t.Run(fmt.Sprintf("PrepareStmt=%t", prepare), func(t *testing.T) { f(t, open(t, &gorm.Config{PrepareStmt: prepare})) })
	}
}

func count(t *testing.T, db *gorm.DB, model any) (n int64) {
	t.Helper()
	must(t, db.Model(model).Count(&n).Error)
	return n
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	both(t, func(t *testing.T, db *gorm.DB) {
		age, born := 36, time.Date(1815, 12, 10, 1, 2, 3, 0, time.UTC)
		ada := user{
			Name: "Ada", Age: &age, Avatar: []byte{0, 1, 255}, Tags: []string{"a", "b"}, Born: &born,
			Active: sql.NullBool{Bool: true, Valid: true}, Weight: 61.25, Company: &company{Name: "Engines"},
			Pets: []pet{{Name: "Cat"}, {Name: "Dog"}}, Languages: []language{{"en"}, {"fr"}},
		}
		must(t, db.Create(&ada).Error)
		must(t, db.Create(&user{Name: "Nobody"}).Error)
		var got user
		must(t, db.Preload("Pets").Preload("Languages").Joins("Company").First(&got, ada.ID).Error)
		if got.Name != "Ada" || *got.Age != 36 || string(got.Avatar) != "\x00\x01\xff" || len(got.Tags) != 2 || !got.Born.Equal(born) ||
			!got.Active.Bool || got.Weight != 61.25 || got.Company.Name != "Engines" || len(got.Pets) != 2 || len(got.Languages) != 2 {
			t.Errorf("got %+v", got)
		}
		var nobody user
		must(t, db.Where("name = ?", "Nobody").Take(&nobody).Error)
		if nobody.Age != nil || nobody.Avatar != nil || nobody.Born != nil || nobody.Active.Valid || nobody.CompanyID != nil {
			t.Errorf("got %+v", nobody)
		}
		if err := db.Take(&user{}, "name = ?", "Missing").Error; !errors.Is(err, gorm.ErrRecordNotFound) {
			t.Errorf("got %v", err)
		}
	})
}

func TestManyRowsAtOnce(t *testing.T) {
	both(t, func(t *testing.T, db *gorm.DB) {
		users := make([]user, 500)
		for i := range users {
			users[i].Name = fmt.Sprint("user ", i)
		}
		must(t, db.CreateInBatches(users, 90).Error)
		seen := 0
		var some []user
		must(t, db.FindInBatches(&some, 120, func(tx *gorm.DB, _ int) error {
			seen += len(some)
			return tx.Model(&some).Update("weight", 1).Error
		}).Error)
		if seen != 500 || count(t, db.Where("weight = 1"), &user{}) != 500 {
			t.Errorf("saw %d", seen)
		}
		result := db.Where("name like ?", "user 1%").Delete(&user{})
		if result.Error != nil || result.RowsAffected != 111 || count(t, db, &user{}) != 389 || count(t, db.Unscoped(), &user{}) != 500 {
			t.Errorf("deleted %d: %v", result.RowsAffected, result.Error)
		}
	})
}

func TestUpsertsAndReturning(t *testing.T) {
	both(t, func(t *testing.T, db *gorm.DB) {
		first := user{Name: "Ada", Weight: 1}
		must(t, db.Create(&first).Error)
		must(t, db.Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "name"}}, DoUpdates: clause.AssignmentColumns([]string{"weight"})}).
			Create(&[]user{{Name: "Ada", Weight: 2}, {Name: "Bob", Weight: 3}}).Error)
		must(t, db.Clauses(clause.OnConflict{DoNothing: true}).Create(&user{Name: "Bob", Weight: 9}).Error)
		var changed []user
		must(t, db.Model(&changed).Clauses(clause.Returning{}).Where("weight > ?", 0).Update("weight", gorm.Expr("weight * ?", 10)).Error)
		sum := 0.0
		for _, u := range changed {
			sum += u.Weight
		}
		if len(changed) != 2 || sum != 50 {
			t.Errorf("got %+v", changed)
		}
		var made user
		must(t, db.Where(user{Name: "Cy"}).Attrs(user{Weight: 4}).FirstOrCreate(&made).Error)
		if made.ID == 0 || made.Weight != 4 {
			t.Errorf("got %+v", made)
		}
	})
}

func TestTransactionsNest(t *testing.T) {
	both(t, func(t *testing.T, db *gorm.DB) {
		undo := errors.New("undo")
		must(t, db.Transaction(func(tx *gorm.DB) error {
			must(t, tx.Create(&user{Name: "stays"}).Error)
			if err := tx.Transaction(func(tx *gorm.DB) error {
				must(t, tx.Create(&user{Name: "goes"}).Error)
				return undo
			}); !errors.Is(err, undo) {
				t.Errorf("got %v", err)
			}
			must(t, tx.SavePoint("before").Error)
			if err := tx.Create(&user{Name: "stays"}).Error; !errors.Is(err, gorm.ErrDuplicatedKey) {
				t.Errorf("got %v", err)
			}
			must(t, tx.RollbackTo("before").Error)
			return tx.Create(&user{Name: "stays too"}).Error
		}))
		if n := count(t, db, &user{}); n != 2 {
			t.Errorf("%d users", n)
		}
		tx := db.Begin(&sql.TxOptions{Isolation: sql.LevelSerializable, ReadOnly: true})
		must(t, tx.Error)
		if err := tx.Create(&user{Name: "never"}).Error; err == nil {
			t.Error("a read-only transaction writes")
		}
		must(t, tx.Rollback().Error)
		func() {
			defer func() { recover() }()
			_ = db.Transaction(func(tx *gorm.DB) error {
				must(t, tx.Create(&user{Name: "panics"}).Error)
				panic("as it may")
			})
		}()
		if n := count(t, db, &user{}); n != 2 {
			t.Errorf("%d users after a panic", n)
		}
	})
}

func TestErrorsAreTranslated(t *testing.T) {
	both(t, func(t *testing.T, db *gorm.DB) {
		must(t, db.Create(&user{Name: "Ada"}).Error)
		if err := db.Create(&user{Name: "Ada"}).Error; !errors.Is(err, gorm.ErrDuplicatedKey) {
			t.Errorf("duplicate: %v", err)
		}
		if err := db.Create(&pet{UserID: 4711}).Error; !errors.Is(err, gorm.ErrForeignKeyViolated) {
			t.Errorf("foreign key: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if err := db.WithContext(ctx).Exec("select pg_sleep(60)").Error; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("deadline: %v", err)
		}
		if n := count(t, db, &user{}); n != 1 {
			t.Errorf("%d users", n)
		}
	})
}

func TestTheMigratorSeesWhatIsThere(t *testing.T) {
	both(t, func(t *testing.T, db *gorm.DB) {
		must(t, db.Create(&user{Name: "Ada"}).Error)
		m := db.Migrator()
		columns, err := m.ColumnTypes(&user{})
		must(t, err)
		said := ""
		for _, c := range columns {
			length, _ := c.Length()
			nullable, _ := c.Nullable()
			unique, _ := c.Unique()
			precision, scale, _ := c.DecimalSize()
			if c.Name() == "name" || c.Name() == "weight" {
				said += fmt.Sprint(c.Name(), " ", c.DatabaseTypeName(), " ", length, " ", nullable, " ", unique, " ", precision, " ", scale, " ", c.ScanType(), "; ")
			}
		}
		if want := "name varchar 40 false false 0 0 string; weight numeric 0 true false 10 2 "; len(said) < len(want) || said[:len(want)] != want {
			t.Errorf("got %q, want %q", said, want)
		}
		type users struct {
			ID    uint
			Name  string `gorm:"size:80"`
			Added string `gorm:"default:new"`
		}
		must(t, db.AutoMigrate(&users{})) // while statements on the table are prepared
		var one users
		must(t, db.First(&one).Error)
		if one.Added != "new" || !m.HasColumn(&users{}, "added") || !m.HasIndex(&user{}, "idx_users_name") {
			t.Errorf("got %+v", one)
		}
		must(t, m.RenameColumn(&users{}, "added", "renamed"))
		must(t, m.DropColumn(&users{}, "renamed"))
		must(t, db.First(&user{}).Error)
		tables, err := m.GetTables()
		if err != nil || len(tables) == 0 {
			t.Errorf("%q, %v", tables, err)
		}
	})
}

func TestOneConnectionIsOneSession(t *testing.T) {
	both(t, func(t *testing.T, db *gorm.DB) {
		must(t, db.Connection(func(tx *gorm.DB) error {
			must(t, tx.Exec("create temporary table parts (n int)").Error)
			must(t, tx.Exec("insert into parts select generate_series(1, 5)").Error)
			var n int
			must(t, tx.Raw("select count(*) from parts").Scan(&n).Error)
			if n != 5 {
				t.Errorf("%d rows", n)
			}
			return tx.Exec("drop table parts").Error
		}))
	})
}

func TestRowsAreScannedAsTheyCome(t *testing.T) {
	both(t, func(t *testing.T, db *gorm.DB) {
		must(t, db.Create(&[]user{{Name: "a"}, {Name: "b"}, {Name: "c"}}).Error)
		rows, err := db.Model(&user{}).Order("id").Rows()
		must(t, err)
		var names string
		for rows.Next() {
			var u user
			must(t, db.ScanRows(rows, &u))
			// Another statement while rows are open takes another connection.
			names += u.Name + fmt.Sprint(count(t, db, &user{}))
		}
		must(t, errors.Join(rows.Err(), rows.Close()))
		if names != "a3b3c3" {
			t.Errorf("got %q", names)
		}
		var all []map[string]any
		must(t, db.Raw("select id, name, weight, created_at, 1.5::float8 f, true b, '{\"a\":1}'::jsonb j from users where name in @names order by id",
			sql.Named("names", []string{"a", "c"})).Scan(&all).Error)
		if len(all) != 2 {
			t.Fatalf("got %v", all)
		}
		types := ""
		for _, name := range []string{"id", "name", "weight", "created_at", "f", "b", "j"} {
			types += fmt.Sprintf("%T ", all[0][name])
		}
		if want := "int64 string float64 time.Time float64 bool string "; types != want {
			t.Errorf("got %q, want %q", types, want)
		}
	})
}

func TestManyGoroutinesShareIt(t *testing.T) {
	both(t, func(t *testing.T, db *gorm.DB) {
		must(t, db.Create(&user{Name: "counter"}).Error)
		var callers sync.WaitGroup
		for range 8 {
			callers.Go(func() {
				for range 10 {
					err := db.Transaction(func(tx *gorm.DB) error {
						var u user
						if err := tx.Clauses(clause.Locking{Strength: "UPDATE"}).First(&u, "name = ?", "counter").Error; err != nil {
							return err
						}
						return tx.Model(&u).Update("weight", u.Weight+1).Error
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		callers.Wait()
		var u user
		must(t, db.First(&u).Error)
		if u.Weight != 80 {
			t.Errorf("got %v", u.Weight)
		}
	})
}

func TestAssociationsAreReplaced(t *testing.T) {
	both(t, func(t *testing.T, db *gorm.DB) {
		u := user{Name: "Ada", Languages: []language{{"en"}}}
		must(t, db.Create(&u).Error)
		must(t, db.Model(&u).Association("Languages").Append(&language{"de"}))
		must(t, db.Model(&u).Association("Languages").Replace(&language{"fr"}, &language{"it"}))
		must(t, db.Model(&u).Association("Languages").Delete(&language{"it"}))
		if n := db.Model(&u).Association("Languages").Count(); n != 1 {
			t.Errorf("%d languages", n)
		}
		must(t, db.Select(clause.Associations).Delete(&u).Error)
		if n := count(t, db.Table("user_languages"), &struct{}{}); n != 0 {
			t.Errorf("%d left", n)
		}
	})
}

func TestNothingIsSentInADryRun(t *testing.T) {
	both(t, func(t *testing.T, db *gorm.DB) {
		statement := db.Session(&gorm.Session{DryRun: true}).Create(&user{Name: "never"}).Statement
		if statement.SQL.Len() == 0 || count(t, db, &user{}) != 0 {
			t.Errorf("%s", statement.SQL.String())
		}
		pool, err := db.DB()
		must(t, err)
		must(t, pool.PingContext(t.Context()))
	})
}
