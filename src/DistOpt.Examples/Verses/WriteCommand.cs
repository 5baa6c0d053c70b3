using System.CommandLine;
using System.Text;
using DistOpt.Core.Randomness;
using DistOpt.Core.Specs;
using DistOpt.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace DistOpt.Examples;

/// <summary>
/// <c>write RUN --book psalms</c>: a command of one's own, and a trained model with inputs of its own (<c>Predictor.Use</c>).
/// </summary>
internal static class WriteCommand
{
    public static Command Create(TorchCatalog catalog)
    {
        var run = new Argument<string>("run") { Description = "Run directory of a verse-net" };
        var book = new Option<string>("--book")
        {
            Description = string.Join(", ", Verses.Books),
            DefaultValueFactory = _ => Verses.Books[0],
        };
        var seed = new Option<long>("--seed") { Description = "Another seed, another verse" };
        var command = new Command("write", "Writes a verse with a trained verse-net") { run, book, seed };
        command.SetAction(parse =>
        {
            int index = Verses.Books.IndexOf(parse.GetRequiredValue(book));
            if (index < 0) throw new SpecException("--book", $"is '{parse.GetValue(book)}'. Available: {string.Join(", ", Verses.Books)}");
            using var predictor = Predictor.Load(parse.GetRequiredValue(run), catalog);
            parse.InvocationConfiguration.Output.WriteLine(Write(predictor, index, parse.GetValue(seed)));
        });
        return command;
    }

    /// <summary>Draws character by character until the model ends the verse.</summary>
    internal static string Write(Predictor predictor, int book, long seed, int lengthMax = 200) => predictor.Use<VerseNet, string>(net =>
    {
        var random = new CounterRandom(seed, RandomPurpose.User, book);
        var about = nn.functional.one_hot(tensor(new long[] { book }), Verses.Books.Length).to(float32);
        var tokens = new List<long> { Verses.Stop };
        var verse = new StringBuilder();
        while (verse.Length < lengthMax)
        {
            using var scope = NewDisposeScope();
            var scores = net.forward(tensor(tokens.ToArray()).unsqueeze(0), about)[0, -1];
            int next = Draw((scores / 0.7).softmax(0).data<float>().ToArray(), random.NextSingle());
            if (next <= Verses.Stop) break;
            tokens.Add(next);
            verse.Append(Verses.Alphabet[next]);
        }
        return verse.ToString();
    });

    private static int Draw(float[] probabilities, float uniform)
    {
        int index = 0;
        while (index < probabilities.Length - 1 && (uniform -= probabilities[index]) >= 0) index++;
        return index;
    }
}
