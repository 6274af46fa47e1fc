package fsm

import "github.com/quorate/quorate/command"

// countedKeys finds keys behind their number, which is the first argument.
func countedKeys(f command.KeyFlags) []command.KeySpec {
	return []command.KeySpec{{Flags: f, Pos: 1, NumKeys: true, FirstKey: 1, Step: 1}}
}

// storedCountedKeys are a destination, a number, and so many keys that are read.
var storedCountedKeys = []command.KeySpec{
	{Flags: command.KeyOW | command.KeyUpdate, Pos: 1, Step: 1},
	{Flags: command.KeyRO | command.KeyAccess, Pos: 2, NumKeys: true, FirstKey: 1, Step: 1},
}

// zsetCommands are the commands on sorted sets. The handlers stand in the other
// cmd_zset files, by theme.
var zsetCommands = []*Command{
	{Write: zadd, Spec: command.Spec{
		Name: "ZADD", Arity: -4, Flags: command.Write | command.DenyOOM | command.Fast, ACL: command.SortedSet,
		Keys:  command.FirstArg(command.KeyRW | command.KeyUpdate),
		Group: "sorted-set", Since: "1.2.0", Complexity: "O(log(N)) for each member, where N is the size of the sorted set",
		Syntax:  "key [NX | XX] [GT | LT] [CH] [INCR] score member [score member ...]",
		Summary: "Gives members of a sorted set their scores, with conditions on request, and adds those that are missing.",
	}},
	{Write: zincrby, Spec: command.Spec{
		Name: "ZINCRBY", Arity: 4, Flags: command.Write | command.DenyOOM | command.Fast, ACL: command.SortedSet,
		Keys:  command.FirstArg(command.KeyRW | command.KeyAccess | command.KeyUpdate),
		Group: "sorted-set", Since: "1.2.0", Complexity: "O(log(N)) where N is the size of the sorted set",
		Syntax:  "key increment member",
		Summary: "Adds a number to the score of a member of a sorted set; a missing member counts as 0.",
	}},
	{Write: zrem, Spec: command.Spec{
		Name: "ZREM", Arity: -3, Flags: command.Write | command.Fast, ACL: command.SortedSet,
		Keys:  command.FirstArg(command.KeyRW | command.KeyDelete),
		Group: "sorted-set", Since: "1.2.0", Complexity: "O(M*log(N)) where N is the size of the sorted set and M the number of members to remove",
		Syntax:  "key member [member ...]",
		Summary: "Removes members from a sorted set.",
	}},
	{Read: zcard, Spec: command.Spec{
		Name: "ZCARD", Arity: 2, Flags: command.ReadOnly | command.Fast, ACL: command.SortedSet,
		Keys:  command.FirstArg(command.KeyRO),
		Group: "sorted-set", Since: "1.2.0", Complexity: "O(1)",
		Syntax:  "key",
		Summary: "Returns the number of members of a sorted set.",
	}},
	{Read: zscore, Spec: command.Spec{
		Name: "ZSCORE", Arity: 3, Flags: command.ReadOnly | command.Fast, ACL: command.SortedSet,
		Keys:  command.FirstArg(command.KeyRO | command.KeyAccess),
		Group: "sorted-set", Since: "1.2.0", Complexity: "O(1)",
		Syntax:  "key member",
		Summary: "Returns the score of a member of a sorted set.",
	}},
	{Read: zmscore, Spec: command.Spec{
		Name: "ZMSCORE", Arity: -3, Flags: command.ReadOnly | command.Fast, ACL: command.SortedSet,
		Keys:  command.FirstArg(command.KeyRO | command.KeyAccess),
		Group: "sorted-set", Since: "6.2.0", Complexity: "O(N) where N is the number of members asked for",
		Syntax:  "key member [member ...]",
		Summary: "Returns the scores of several members of a sorted set.",
	}},
	{Read: zrank, Spec: command.Spec{
		Name: "ZRANK", Arity: 3, Flags: command.ReadOnly | command.Fast, ACL: command.SortedSet,
		Keys:  command.FirstArg(command.KeyRO | command.KeyAccess),
		Group: "sorted-set", Since: "2.0.0", Complexity: "O(log(N)) where N is the size of the sorted set",
		Syntax:  "key member",
		Summary: "Returns the position of a member of a sorted set, counted from the lowest score.",
	}},
	{Read: zrevrank, Spec: command.Spec{
		Name: "ZREVRANK", Arity: 3, Flags: command.ReadOnly | command.Fast, ACL: command.SortedSet,
		Keys:  command.FirstArg(command.KeyRO | command.KeyAccess),
		Group: "sorted-set", Since: "2.0.0", Complexity: "O(log(N)) where N is the size of the sorted set",
		Syntax:  "key member",
		Summary: "Returns the position of a member of a sorted set, counted from the highest score.",
	}},
	{Read: zcount, Spec: command.Spec{
		Name: "ZCOUNT", Arity: 4, Flags: command.ReadOnly | command.Fast, ACL: command.SortedSet,
		Keys:  command.FirstArg(command.KeyRO | command.KeyAccess),
		Group: "sorted-set", Since: "2.0.0", Complexity: "O(log(N)) where N is the size of the sorted set",
		Syntax:  "key min max",
		Summary: "Counts the members of a sorted set whose scores lie in a range.",
	}},
	{Read: zlexcount, Spec: command.Spec{
		Name: "ZLEXCOUNT", Arity: 4, Flags: command.ReadOnly | command.Fast, ACL: command.SortedSet,
		Keys:  command.FirstArg(command.KeyRO | command.KeyAccess),
		Group: "sorted-set", Since: "2.8.9", Complexity: "O(log(N)) where N is the size of the sorted set",
		Syntax:  "key min max",
		Summary: "Counts the members of a sorted set that lie in a range of bytes, when all scores are equal.",
	}},
	{Read: zrange, Spec: command.Spec{
		Name: "ZRANGE", Arity: -4, Flags: command.ReadOnly, ACL: command.SortedSet,
		Keys:  command.FirstArg(command.KeyRO | command.KeyAccess),
		Group: "sorted-set", Since: "1.2.0", Complexity: "O(log(N)+M) where N is the size of the sorted set and M the number of members returned",
		Syntax:  "key start stop [BYSCORE | BYLEX] [REV] [LIMIT offset count] [WITHSCORES]",
		Summary: "Returns the members of a sorted set in a range of positions, scores or bytes.",
	}},
	{Write: zrangestore, Spec: command.Spec{
		Name: "ZRANGESTORE", Arity: -5, Flags: command.Write | command.DenyOOM, ACL: command.SortedSet,
		Keys: []command.KeySpec{
			{Flags: command.KeyOW | command.KeyUpdate, Pos: 1, Step: 1},
			{Flags: command.KeyRO | command.KeyAccess, Pos: 2, Step: 1},
		},
		Group: "sorted-set", Since: "6.2.0", Complexity: "O(log(N)+M) where N is the size of the sorted set and M the number of members stored",
		Syntax:  "dst src min max [BYSCORE | BYLEX] [REV] [LIMIT offset count]",
		Summary: "Stores the members of a sorted set in a range of positions, scores or bytes at another key.",
	}},
	{Read: zrevrange, Spec: command.Spec{
		Name: "ZREVRANGE", Arity: -4, Flags: command.ReadOnly, ACL: command.SortedSet,
		Keys:  command.FirstArg(command.KeyRO | command.KeyAccess),
		Group: "sorted-set", Since: "1.2.0", Complexity: "O(log(N)+M) where N is the size of the sorted set and M the number of members returned",
		Syntax:  "key start stop [WITHSCORES]",
		Summary: "Returns the members of a sorted set in a range of positions, the highest score first.",
	}},
	{Read: zrangebyscore, Spec: command.Spec{
		Name: "ZRANGEBYSCORE", Arity: -4, Flags: command.ReadOnly, ACL: command.SortedSet,
		Keys:  command.FirstArg(command.KeyRO | command.KeyAccess),
		Group: "sorted-set", Since: "1.0.5", Complexity: "O(log(N)+M) where N is the size of the sorted set and M the number of members returned",
		Syntax:  "key min max [WITHSCORES] [LIMIT offset count]",
		Summary: "Returns the members of a sorted set in a range of scores.",
	}},
	{Read: zrevrangebyscore, Spec: command.Spec{
		Name: "ZREVRANGEBYSCORE", Arity: -4, Flags: command.ReadOnly, ACL: command.SortedSet,
		Keys:  command.FirstArg(command.KeyRO | command.KeyAccess),
		Group: "sorted-set", Since: "2.2.0", Complexity: "O(log(N)+M) where N is the size of the sorted set and M the number of members returned",
		Syntax:  "key max min [WITHSCORES] [LIMIT offset count]",
		Summary: "Returns the members of a sorted set in a range of scores, the highest score first.",
	}},
	{Read: zrangebylex, Spec: command.Spec{
		Name: "ZRANGEBYLEX", Arity: -4, Flags: command.ReadOnly, ACL: command.SortedSet,
		Keys:  command.FirstArg(command.KeyRO | command.KeyAccess),
		Group: "sorted-set", Since: "2.8.9", Complexity: "O(log(N)+M) where N is the size of the sorted set and M the number of members returned",
		Syntax:  "key min max [LIMIT offset count]",
		Summary: "Returns the members of a sorted set in a range of bytes, when all scores are equal.",
	}},
	{Read: zrevrangebylex, Spec: command.Spec{
		Name: "ZREVRANGEBYLEX", Arity: -4, Flags: command.ReadOnly, ACL: command.SortedSet,
		Keys:  command.FirstArg(command.KeyRO | command.KeyAccess),
		Group: "sorted-set", Since: "2.8.9", Complexity: "O(log(N)+M) where N is the size of the sorted set and M the number of members returned",
		Syntax:  "key max min [LIMIT offset count]",
		Summary: "Returns the members of a sorted set in a range of bytes, the highest first, when all scores are equal.",
	}},
	{Write: zremrangebyrank, Spec: command.Spec{
		Name: "ZREMRANGEBYRANK", Arity: 4, Flags: command.Write, ACL: command.SortedSet,
		Keys:  command.FirstArg(command.KeyRW | command.KeyDelete),
		Group: "sorted-set", Since: "2.0.0", Complexity: "O(log(N)+M*log(N)) where N is the size of the sorted set and M the number of members removed",
		Syntax:  "key start stop",
		Summary: "Removes the members of a sorted set in a range of positions.",
	}},
	{Write: zremrangebyscore, Spec: command.Spec{
		Name: "ZREMRANGEBYSCORE", Arity: 4, Flags: command.Write, ACL: command.SortedSet,
		Keys:  command.FirstArg(command.KeyRW | command.KeyDelete),
		Group: "sorted-set", Since: "1.2.0", Complexity: "O(log(N)+M*log(N)) where N is the size of the sorted set and M the number of members removed",
		Syntax:  "key min max",
		Summary: "Removes the members of a sorted set in a range of scores.",
	}},
	{Write: zremrangebylex, Spec: command.Spec{
		Name: "ZREMRANGEBYLEX", Arity: 4, Flags: command.Write, ACL: command.SortedSet,
		Keys:  command.FirstArg(command.KeyRW | command.KeyDelete),
		Group: "sorted-set", Since: "2.8.9", Complexity: "O(log(N)+M*log(N)) where N is the size of the sorted set and M the number of members removed",
		Syntax:  "key min max",
		Summary: "Removes the members of a sorted set in a range of bytes, when all scores are equal.",
	}},
	{Write: zpopmin, Spec: command.Spec{
		Name: "ZPOPMIN", Arity: -2, Flags: command.Write | command.Fast, ACL: command.SortedSet,
		Keys:  command.FirstArg(command.KeyRW | command.KeyAccess | command.KeyDelete),
		Group: "sorted-set", Since: "5.0.0", Complexity: "O(M*log(N)) where N is the size of the sorted set and M the number of members removed",
		Syntax:  "key [count]",
		Summary: "Removes the members with the lowest scores from a sorted set and returns them.",
	}},
	{Write: zpopmax, Spec: command.Spec{
		Name: "ZPOPMAX", Arity: -2, Flags: command.Write | command.Fast, ACL: command.SortedSet,
		Keys:  command.FirstArg(command.KeyRW | command.KeyAccess | command.KeyDelete),
		Group: "sorted-set", Since: "5.0.0", Complexity: "O(M*log(N)) where N is the size of the sorted set and M the number of members removed",
		Syntax:  "key [count]",
		Summary: "Removes the members with the highest scores from a sorted set and returns them.",
	}},
	{Write: zmpop, Spec: command.Spec{
		Name: "ZMPOP", Arity: -4, Flags: command.Write | command.MovableKeys, ACL: command.SortedSet,
		Keys:  countedKeys(command.KeyRW | command.KeyAccess | command.KeyDelete),
		Group: "sorted-set", Since: "7.0.0", Complexity: "O(K+M*log(N)) where K is the number of keys, N the size of the sorted set and M the number of members removed",
		Syntax:  "numkeys key [key ...] <MIN | MAX> [COUNT count]",
		Summary: "Removes members from the first of several sorted sets that is not empty and returns them.",
	}},
	{Read: zrandmember, Spec: command.Spec{
		Name: "ZRANDMEMBER", Arity: -2, Flags: command.ReadOnly, ACL: command.SortedSet,
		Keys:  command.FirstArg(command.KeyRO | command.KeyAccess),
		Group: "sorted-set", Since: "6.2.0", Complexity: "O(M*log(N)) where N is the size of the sorted set and M the number of members returned",
		Syntax:  "key [count [WITHSCORES]]",
		Summary: "Returns members of a sorted set drawn at random.",
		Tips:    []string{"nondeterministic_output"},
	}},
	{Read: zscan, Spec: command.Spec{
		Name: "ZSCAN", Arity: -3, Flags: command.ReadOnly, ACL: command.SortedSet,
		Keys:  command.FirstArg(command.KeyRO | command.KeyAccess),
		Group: "sorted-set", Since: "2.8.0", Complexity: "O(1) a call, O(N) for a whole walk where N is the size of the sorted set",
		Syntax:  "key cursor [MATCH pattern] [COUNT count]",
		Summary: "Walks the members of a sorted set with their scores, some at every call.",
		Tips:    []string{"nondeterministic_output"},
	}},
	{Read: zunion, Spec: command.Spec{
		Name: "ZUNION", Arity: -3, Flags: command.ReadOnly | command.MovableKeys, ACL: command.SortedSet,
		Keys:  countedKeys(command.KeyRO | command.KeyAccess),
		Group: "sorted-set", Since: "6.2.0", Complexity: "O(N+M*log(M)) where N is the sum of the sizes of the inputs and M the size of the result",
		Syntax:  "numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX>] [WITHSCORES]",
		Summary: "Returns the members that are in any of several sorted sets or sets.",
	}},
	{Read: zinter, Spec: command.Spec{
		Name: "ZINTER", Arity: -3, Flags: command.ReadOnly | command.MovableKeys, ACL: command.SortedSet,
		Keys:  countedKeys(command.KeyRO | command.KeyAccess),
		Group: "sorted-set", Since: "6.2.0", Complexity: "O(N*K+M*log(M)) where N is the size of the smallest input, K the number of inputs and M the size of the result",
		Syntax:  "numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX>] [WITHSCORES]",
		Summary: "Returns the members that are in each of several sorted sets or sets.",
	}},
	{Read: zdiff, Spec: command.Spec{
		Name: "ZDIFF", Arity: -3, Flags: command.ReadOnly | command.MovableKeys, ACL: command.SortedSet,
		Keys:  countedKeys(command.KeyRO | command.KeyAccess),
		Group: "sorted-set", Since: "6.2.0", Complexity: "O(N*K+M*log(M)) where N is the size of the first input, K the number of inputs and M the size of the result",
		Syntax:  "numkeys key [key ...] [WITHSCORES]",
		Summary: "Returns the members of the first of several sorted sets or sets that are in none of the others.",
	}},
	{Write: zunionstore, Spec: command.Spec{
		Name: "ZUNIONSTORE", Arity: -4, Flags: command.Write | command.DenyOOM | command.MovableKeys, ACL: command.SortedSet,
		Keys:  storedCountedKeys,
		Group: "sorted-set", Since: "2.0.0", Complexity: "O(N+M*log(M)) where N is the sum of the sizes of the inputs and M the size of the result",
		Syntax:  "destination numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX>]",
		Summary: "Stores the members that are in any of several sorted sets or sets.",
	}},
	{Write: zinterstore, Spec: command.Spec{
		Name: "ZINTERSTORE", Arity: -4, Flags: command.Write | command.DenyOOM | command.MovableKeys, ACL: command.SortedSet,
		Keys:  storedCountedKeys,
		Group: "sorted-set", Since: "2.0.0", Complexity: "O(N*K+M*log(M)) where N is the size of the smallest input, K the number of inputs and M the size of the result",
		Syntax:  "destination numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX>]",
		Summary: "Stores the members that are in each of several sorted sets or sets.",
	}},
	{Write: zdiffstore, Spec: command.Spec{
		Name: "ZDIFFSTORE", Arity: -4, Flags: command.Write | command.DenyOOM | command.MovableKeys, ACL: command.SortedSet,
		Keys:  storedCountedKeys,
		Group: "sorted-set", Since: "6.2.0", Complexity: "O(N*K+M*log(M)) where N is the size of the first input, K the number of inputs and M the size of the result",
		Syntax:  "destination numkeys key [key ...]",
		Summary: "Stores the members of the first of several sorted sets or sets that are in none of the others.",
	}},
	{Read: zintercard, Spec: command.Spec{
		Name: "ZINTERCARD", Arity: -3, Flags: command.ReadOnly | command.MovableKeys, ACL: command.SortedSet,
		Keys:  countedKeys(command.KeyRO | command.KeyAccess),
		Group: "sorted-set", Since: "7.0.0", Complexity: "O(N*K) where N is the size of the smallest input and K the number of inputs",
		Syntax:  "numkeys key [key ...] [LIMIT limit]",
		Summary: "Counts the members that are in each of several sorted sets or sets, up to a limit on request.",
	}},
}
