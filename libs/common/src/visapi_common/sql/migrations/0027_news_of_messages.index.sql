-- Messages to endpoints that wait, by what they tell: it is not deleted before them.
create index concurrently endpoint_messages_news on endpoint_messages (tenant, news) where state = 'pending';
