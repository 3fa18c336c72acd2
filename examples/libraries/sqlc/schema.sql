create table authors (
  id bigint generated always as identity primary key,
  name text not null,
  bio text
);
