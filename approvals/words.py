"""256 short words, one for each byte: what people compare over the phone. Never reordered: old digests keep theirs."""

_TEXT = """
    acorn actor adult agent alarm album alley amber anchor angle ankle apple apron arbor arrow aspen atlas attic
    autumn badge bagel baker balcony bamboo banjo barley basil basket beacon beaver bench berry bicycle birch
    bishop blanket blossom bottle boulder bridge bronze brook bucket buffalo butter button cabin cactus camel
    candle canoe canyon carbon cargo carpet carrot castle cedar cello cherry chimney cider cinema circle citrus
    clover cobalt coconut comet compass copper coral cotton cousin cradle crater crayon cricket crystal curtain
    dagger daisy dancer denim desert diamond dinner doctor dolphin donkey dragon drawer dream drum dune eagle
    earth easel echo eclipse elbow elder ember engine falcon farmer feather fence fiddle field finger flame
    flute forest fossil fountain fridge frost galaxy garden garlic gate ginger giraffe glacier glove goblet gold
    gondola granite grape guitar hammer harbor harvest hazel helmet hermit hollow honey horizon hotel iceberg
    igloo indigo island ivory jacket jaguar jasmine jelly jewel jigsaw jungle kayak kettle kitchen kitten ladder
    lagoon lantern laurel lemon leopard lettuce lily linen lizard lobster locket lumber magnet mango maple
    marble meadow melon mirror monkey mountain muffin museum napkin needle nest nickel north nutmeg oasis ocean
    olive onion opal orange orchid otter oven oyster paddle palace panda paper parrot pasta peach pebble pencil
    pepper piano pigeon pillow pilot planet plum pocket pony poppy portrait potato prairie pumpkin puzzle quartz
    quilt rabbit radio raft rainbow raven ribbon river robin rocket saddle saffron sailor salmon sandal satin
    scarf school shadow shovel silver sparrow spider spinach squirrel stable sunset teapot temple tiger turnip
    velvet violin
"""
WORDS = tuple(_TEXT.split())
