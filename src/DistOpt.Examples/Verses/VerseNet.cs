using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using DistOpt.Torch;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace DistOpt.Examples;

/// <summary>Fields of <c>model:</c> with <c>kind: verse-net</c>.</summary>
public sealed record VerseNetOptions
{
    [Description("Size of a character's embedding")]
    [Range(1, 1024)]
    public int Embedding { get; init; } = 32;

    [Description("Size of the recurrent state")]
    [Range(1, 4096)]
    public int Width { get; init; } = 96;
}

/// <summary>Predicts the next character: a GRU over the verse, which begins in a state that the book decides.</summary>
public sealed class VerseNet : nn.Module<Tensor, Tensor, Tensor>
{
    private readonly Embedding characters;
    private readonly Linear start;
    private readonly GRU memory;
    private readonly Linear scores;

    public VerseNet(VerseNetOptions options) : base(nameof(VerseNet))
    {
        characters = nn.Embedding(Verses.Alphabet.Length, options.Embedding);
        start = nn.Linear(Verses.Books.Length, options.Width);
        memory = nn.GRU(options.Embedding, options.Width, batchFirst: true);
        scores = nn.Linear(options.Width, Verses.Alphabet.Length);
        RegisterComponents();
    }

    /// <param name="text">[N, T] int64.</param>
    /// <param name="book">[N, books] float32.</param>
    /// <returns>[N, T, characters]: scores of the character after each.</returns>
    public override Tensor forward(Tensor text, Tensor book)
    {
        var (states, _) = memory.forward(characters.forward(text), start.forward(book).tanh().unsqueeze(0));
        return scores.forward(states);
    }

    /// <summary>
    /// The training step: the loss summed over characters, and how many they are. A worker with long verses so counts for as much as its
    /// characters do, however the batch is cut.
    /// </summary>
    public static StepResult Step(VerseNet net, VerseBatch batch, StepContext context) =>
        Loss(net.forward(batch.Text, batch.Book), batch, context);

    /// <summary>As the training step, and how often the most probable character is the right one: over all, and for each book.</summary>
    public static StepResult Evaluate(VerseNet net, VerseBatch batch, StepContext context)
    {
        var scores = net.forward(batch.Text, batch.Book);
        var counted = batch.Next.ne(Verses.Pad);
        var right = scores.argmax(2).eq(batch.Next).logical_and(counted);
        context.Log("accuracy", right.sum(), batch.Characters);

        // characters of each book: sums over a row, then over the rows of the book
        var rightOfBook = right.sum(1).to(float32).matmul(batch.Book).data<float>();
        var countedOfBook = counted.sum(1).to(float32).matmul(batch.Book).data<float>();
        for (int book = 0; book < Verses.Books.Length; book++)
            context.Log($"accuracy_{Verses.Books[book]}", rightOfBook[book], countedOfBook[book]);
        return Loss(scores, batch, context);
    }

    private static StepResult Loss(Tensor scores, VerseBatch batch, StepContext context)
    {
        var sum = nn.functional.cross_entropy(scores.flatten(0, 1), batch.Next.flatten(), ignore_index: Verses.Pad,
            reduction: nn.Reduction.Sum);
        context.Log("bits_per_character", sum.detach() / Math.Log(2), batch.Characters);
        return new StepResult(sum, batch.Characters);
    }
}
