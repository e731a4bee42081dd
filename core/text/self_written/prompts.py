"""The prompts that every plan goes on from: short, of our own, and of mixed kinds."""

PROMPTS = (
    "The river rises in the mountains and",
    "When the old lighthouse keeper opened the door, he saw",
    "Once upon a time, in a village at the edge of a forest,",
    "It was the last train of the evening, and nobody on the platform",
    "The main reason why bread rises is that",
    "Plants need sunlight because",
    "The heart pumps blood through the body, and the lungs",
    "In the early nineteenth century, most people lived",
    "The city council decided on Tuesday to",
    "Question: Why is the sky blue?\nAnswer:",
    "Question: How many days are there in a week, and what are they called?\nAnswer:",
    "To make a simple vegetable soup, first",
    "Three good habits for a healthy life are:\n1.",
    "Dear Anna,\n\nthank you very much for your letter. Last week we",
    '"I never said that," she answered. "What I said was',
    "My favourite season is autumn, since",
    "A good teacher should always",
    "If a triangle has two equal sides, then",
    "def average(numbers):\n    ",
    "The advantages of travelling by bicycle are",
)
