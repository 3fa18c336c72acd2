// Package store is what sqlc generated from schema.sql and query.sql.
package store
