package fsm

import "github.com/quorate/quorate/command"

// geoCommands are the commands on positions, which sorted sets hold.
var geoCommands = []*Command{
	{Write: geoadd, Spec: command.Spec{
		Name: "GEOADD", Arity: -5, Flags: command.Write | command.DenyOOM, ACL: command.Geo,
		Keys:  command.FirstArg(command.KeyRW | command.KeyUpdate),
		Group: "geo", Since: "3.2.0", Complexity: "O(log(N)) for each member, where N is the size of the sorted set",
		Syntax:  "key [NX | XX] [CH] longitude latitude member [longitude latitude member ...]",
		Summary: "Adds members with their positions to a sorted set.",
	}},
	{Read: geodist, Spec: command.Spec{
		Name: "GEODIST", Arity: -4, Flags: command.ReadOnly, ACL: command.Geo,
		Keys:  command.FirstArg(command.KeyRO | command.KeyAccess),
		Group: "geo", Since: "3.2.0", Complexity: "O(1)",
		Syntax:  "key member1 member2 [M | KM | FT | MI]",
		Summary: "Returns the distance between two members.",
	}},
	{Read: geohash, Spec: command.Spec{
		Name: "GEOHASH", Arity: -2, Flags: command.ReadOnly, ACL: command.Geo,
		Keys:  command.FirstArg(command.KeyRO | command.KeyAccess),
		Group: "geo", Since: "3.2.0", Complexity: "O(1) for each member",
		Syntax:  "key [member [member ...]]",
		Summary: "Returns the positions of members as geohashes in text.",
	}},
	{Read: geopos, Spec: command.Spec{
		Name: "GEOPOS", Arity: -2, Flags: command.ReadOnly, ACL: command.Geo,
		Keys:  command.FirstArg(command.KeyRO | command.KeyAccess),
		Group: "geo", Since: "3.2.0", Complexity: "O(1) for each member",
		Syntax:  "key [member [member ...]]",
		Summary: "Returns the longitudes and latitudes of members.",
	}},
	{Read: geosearch, Spec: command.Spec{
		Name: "GEOSEARCH", Arity: -7, Flags: command.ReadOnly, ACL: command.Geo,
		Keys:  command.FirstArg(command.KeyRO | command.KeyAccess),
		Group: "geo", Since: "6.2.0", Complexity: geoComplexity,
		Syntax: "key <FROMMEMBER member | FROMLONLAT longitude latitude> <BYRADIUS radius <M | KM | FT | MI> | BYBOX width height <M | KM | FT | MI>>" +
			" [ASC | DESC] [COUNT count [ANY]] [WITHCOORD] [WITHDIST] [WITHHASH]",
		Summary: "Returns the members inside a circle or a rectangle.",
	}},
	{Write: geosearchstore, Spec: command.Spec{
		Name: "GEOSEARCHSTORE", Arity: -8, Flags: command.Write | command.DenyOOM, ACL: command.Geo,
		Keys: []command.KeySpec{
			{Flags: command.KeyOW | command.KeyUpdate, Pos: 1, Step: 1},
			{Flags: command.KeyRO | command.KeyAccess, Pos: 2, Step: 1},
		},
		Group: "geo", Since: "6.2.0", Complexity: geoComplexity,
		Syntax: "destination source <FROMMEMBER member | FROMLONLAT longitude latitude> <BYRADIUS radius <M | KM | FT | MI> | BYBOX width height <M | KM | FT | MI>>" +
			" [ASC | DESC] [COUNT count [ANY]] [STOREDIST]",
		Summary: "Stores the members inside a circle or a rectangle at another key.",
	}},
	{Write: georadius, Reading: readingGeo(georadiusReads, geoStoreKeys(6)), Spec: command.Spec{
		Name: "GEORADIUS", Arity: -6, Flags: command.Write | command.DenyOOM | command.MovableKeys, ACL: command.Geo,
		Keys: geoStoreSpecs(6), Extract: geoStoreKeys(6),
		Group: "geo", Since: "3.2.0", Complexity: geoComplexity,
		Syntax: "key longitude latitude radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]]" +
			" [ASC | DESC] [STORE key] [STOREDIST key]",
		Summary: "Returns the members inside a circle around a position, or stores them at another key.",
	}},
	{Read: georadiusRO, Spec: command.Spec{
		Name: "GEORADIUS_RO", Arity: -6, Flags: command.ReadOnly, ACL: command.Geo,
		Keys:  command.FirstArg(command.KeyRO | command.KeyAccess),
		Group: "geo", Since: "3.2.10", Complexity: geoComplexity,
		Syntax:  "key longitude latitude radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC | DESC]",
		Summary: "Returns the members inside a circle around a position.",
	}},
	{Write: georadiusbymember, Reading: readingGeo(georadiusbymemberReads, geoStoreKeys(5)), Spec: command.Spec{
		Name: "GEORADIUSBYMEMBER", Arity: -5, Flags: command.Write | command.DenyOOM | command.MovableKeys, ACL: command.Geo,
		Keys: geoStoreSpecs(5), Extract: geoStoreKeys(5),
		Group: "geo", Since: "3.2.0", Complexity: geoComplexity,
		Syntax: "key member radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]]" +
			" [ASC | DESC] [STORE key] [STOREDIST key]",
		Summary: "Returns the members inside a circle around one of them, or stores them at another key.",
	}},
	{Read: georadiusbymemberRO, Spec: command.Spec{
		Name: "GEORADIUSBYMEMBER_RO", Arity: -5, Flags: command.ReadOnly, ACL: command.Geo,
		Keys:  command.FirstArg(command.KeyRO | command.KeyAccess),
		Group: "geo", Since: "3.2.10", Complexity: geoComplexity,
		Syntax:  "key member radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC | DESC]",
		Summary: "Returns the members inside a circle around one of them.",
	}},
}

const geoComplexity = "O(N+log(M)) where N is the number of members in the cells that the area touches and M the size of the sorted set"
