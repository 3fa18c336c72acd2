-- +goose Up
create table accounts (id int primary key, name text not null);

-- +goose Down
drop table accounts;
