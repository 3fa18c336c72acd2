-- +goose NO TRANSACTION
-- +goose Up
create unique index concurrently accounts_name on accounts (name);

-- +goose Down
drop index concurrently accounts_name;
