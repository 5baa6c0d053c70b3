using static DistOpt.Core.Tests.Studies.StudyFixture;

namespace DistOpt.Core.Tests.Specs.Binding;

/// <summary>What is wrong with spaces: every kind of mistake with its place, what is given, and what to do.</summary>
public sealed class SpaceBinderTests
{
    private const string Range = "a range is written float: [low, high] or int: [low, high]";

    [Theory]
    // paths
    [InlineData("optimizer.learning_rte: { float: [0.1, 1] }", "optimizer.learning_rte: unknown field 'learning_rte' of optimizer 'adam': did you mean 'learning_rate'?")]
    [InlineData("optimizer.momentum: { float: [0, 0.5] }", "optimizer.momentum: unknown field 'momentum' of optimizer 'adam': it belongs to optimizer 'sgd'; known are kind, "
        + "decay_biases, groups, learning_rate, beta1, beta2, epsilon, weight_decay, amsgrad")]
    [InlineData("epochs: 3", "epochs: unknown field 'epochs': did you mean 'training.epochs'?")]
    [InlineData("a b: 3", "a b: is no path: write names with points between them, such as optimizer.learning_rate")]
    [InlineData("name.x: 3", "name.x: leads on from 'name', which is text: end the path there")]
    [InlineData("'model.hidden[0]': 3", "model.hidden[0]: is no path: write names with points between them, such as optimizer.learning_rate")]
    [InlineData("optimizer: { learning_rate: { float: [0.1, 1] } }",
        "optimizer: is a section: give each of its parameters a line with its whole path, such as optimizer.learning_rate: { ... }")]
    // bounds of the field
    [InlineData("optimizer.learning_rate: { float: [0, 1] }", "optimizer.learning_rate.float[0]: is 0, but must be above 0")]
    [InlineData("model.dropout: { float: [0.1, 0.99] }", "model.dropout.float[1]: is 0.99, but must be between 0 and 0.95")]
    [InlineData("training.epochs: { int: [0, 5] }", "training.epochs.int[0]: is 0, but must be at least 1")]
    [InlineData("model.dropout: 0.99", "model.dropout: is 0.99, but must be between 0 and 0.95")]
    [InlineData("training.epochs: { choices: [1, 0, 2] }", "training.epochs.choices[1]: is 0, but must be at least 1")]
    [InlineData("model.hidden: { list: { length: { int: [0, 4] }, each: { int: [0, 16] } } }",
        "model.hidden.list.each.int[0]: is 0, but must be at least 1", "model.hidden.list.length: gives a list that has 0 values, but must have at least 1")]
    // its type
    [InlineData("training.epochs: { float: [1, 5] }",
        "training.epochs: is searched as real numbers (float), but the field must be a whole number; write int: [low, high]")]
    [InlineData("model.activation: { int: [0, 5] }",
        "model.activation: is searched as whole numbers, but the field must be one of relu, gelu, leaky-relu; write choices: [...]")]
    [InlineData("optimizer.amsgrad: { float: [0, 1] }", "optimizer.amsgrad: is searched as real numbers (float), but the field must be true or false; write choices: [...]")]
    [InlineData("model.activation: { choices: [relu, gleu] }", "model.activation.choices[1]: is 'gleu', but must be one of relu, gelu, leaky-relu; did you mean 'gelu'?")]
    [InlineData("model.hidden: { int: [1, 3] }",
        "model.hidden: is searched as whole numbers, but the field must be a list such as [1, 2]; "
        + "write list: { length: ..., each: ... }, or choices of whole lists")]
    [InlineData("model.hidden: { choices: [[8], [16, 8], 3] }", "model.hidden.choices[2]: is 3, but must be a list such as [1, 2]; write [3] for one value")]
    [InlineData("model.hidden: { list: { length: 3, each: { float: [1, 16] } } }",
        "model.hidden.list.each: is searched as real numbers (float), but the field must be a whole number; write int: [low, high]")]
    [InlineData("model.dropout: { list: { length: 2, each: { float: [0, 1] } } }", "model.dropout: is searched as a list, but the field must be a number")]
    [InlineData("optimizer.kind: { int: [0, 2] }", "optimizer.kind: is searched as numbers, but must be one optimizer of several; write choices: [...]")]
    [InlineData("schedule.kind: { choices: [cosine, 3] }", "schedule.kind.choices[1]: schedule '3' is not known. Available: {schedules}")]
    [InlineData("optimizer.kind: [sgd, adam]", "optimizer.kind: is a list, which would be one value that stays; write { choices: [sgd, adam] } to search among several")]
    // forms
    [InlineData("model.dropout: { low: 0.1, high: 0.5 }", "model.dropout.high: unknown field 'high': " + Range, "model.dropout.low: unknown field 'low': " + Range)]
    [InlineData("model.dropout: { loguniform: [0.1, 0.5] }", "model.dropout.loguniform: unknown field 'loguniform': write float: [low, high] and log: true")]
    [InlineData("model.dropout: { float: [0.1, 0.5], lgo: true }", "model.dropout.lgo: unknown field 'lgo': did you mean 'log'?")]
    [InlineData("model.dropout: { float: [0.1, 0.2, 0.5] }", "model.dropout.float: has 3 values, but must have at most 2")]
    [InlineData("model.dropout: { float: 0.5 }", "model.dropout.float: is 0.5, but must be a list such as [0.1, 0.2]; write [0.5] for one value")]
    [InlineData("training.epochs: { int: [1, 5], float: [1, 5] }", "training.epochs: has float and int: keep one of them")]
    [InlineData("training.epochs: { log: true }",
        "training.epochs: says nothing of its values: give it one of float: [low, high], int: [low, high], choices: [...] or value: ...")]
    [InlineData("training.epochs: { choices: [1, 2], log: true, step: 2 }",
        "training.epochs.log: is for float and int, not for choices; leave it away", "training.epochs.step: is for float and int, not for choices; leave it away")]
    [InlineData("training.epochs: { int: [1, 2], ordered: true }", "training.epochs.ordered: is for choices, not for int; leave it away")]
    [InlineData("training.epochs: { choices: [] }", "training.epochs.choices: has 0 values, but must have at least 1")]
    [InlineData("training.epochs: { choices: [1, 1.0, 2] }", "training.epochs: has choice '1' 2 times: give it once")]
    [InlineData("training.epochs: { int: [5, 1] }", "training.epochs: goes from 5 to 1: the first must not be above the second")]
    [InlineData("training.epochs: { int: [1, 5], step: 0.5 }", "training.epochs.step: is 0.5, but whole numbers need a whole step")]
    [InlineData("optimizer.weight_decay: { float: [0, 1], log: true }", "optimizer.weight_decay: is logarithmic from 0: that must be above 0")]
    [InlineData("optimizer.weight_decay: { float: [0.1, 1], log: true, step: 0.1 }", "optimizer.weight_decay: has a step and is logarithmic: only one of the two is possible")]
    [InlineData("training.epochs: { int: [1, 99999999999999999] }",
        "training.epochs.int: is [1, 99999999999999999], but must be between -9007199254740992 and 9007199254740992: values are kept as float64")]
    [InlineData("model.hidden: { list: { length: 2 } }", "model.hidden.list.each: is missing; it must be given (a mapping of fields)")]
    [InlineData("model.hidden: { list: { length: { int: [1, 2000] }, each: 3 } }",
        "model.hidden.list.length: must be a number from 1 to 1000, or int: [low, high] with low from 0 and such a high")]
    // plug-ins that are searched
    [InlineData("optimizer.kind: { choices: [sgd, adm] }", "optimizer.kind.choices[1]: optimizer 'adm' is not known. Available: {optimizers}. Did you mean 'adam'?")]
    [InlineData("optimizer.kind: { choices: [sgd, adam, nesterov] }\noptimizer.momentum: { float: [0, 0.5] }",
        "optimizer.momentum.float[0]: with optimizer 'nesterov': is 0, but must be above 0 and below 1",
        "optimizer.momentum: is no field of optimizer 'adam', which optimizer.kind may choose: add when: { optimizer.kind: [sgd, nesterov] }")]
    [InlineData("optimizer.kind: { choices: [sgd, adam] }\noptimizer.momentum: { float: [0, 0.5], when: { optimizer.kind: [sgd, adam] } }",
        "optimizer.momentum: is no field of optimizer 'adam', which optimizer.kind may choose: add when: { optimizer.kind: sgd }")]
    [InlineData("optimizer.kind: { choices: [sgd, adam] }\noptimizer: { choices: [adam] }", "optimizer.kind: chooses what 'optimizer' chooses too; remove one of them")]
    // a bound that only one of the plug-ins has
    [InlineData("optimizer.kind: { choices: [sgd, nesterov] }\noptimizer.momentum: { float: [0, 1.5], when: { optimizer.kind: sgd } }",
        "optimizer.momentum.float[1]: is 1.5, but must be at least 0 and below 1")]
    // conditions
    [InlineData("optimizer.kind: { choices: [sgd, adam] }\noptimizer.momentum: { float: [0, 0.5], when: { optimizer.kind: lion } }",
        "optimizer.momentum.when: has a condition on 'optimizer.kind' that can never hold: 'lion' is none of its values (sgd, adam)")]
    [InlineData("optimizer.kind: { choices: [sgd, adam] }\noptimizer.momentum: { float: [0, 0.5], when: { optimizer.kin: sgd } }",
        "optimizer.momentum.when: has a condition on 'optimizer.kin', which is no parameter of the space; did you mean 'optimizer.kind'?")]
    [InlineData("model.dropout: { float: [0, 0.5], when: { model.dropout: 0.1 } }", "model.dropout.when: has a condition on itself; leave it away")]
    [InlineData("training.epochs: { int: [1, 5] }\nmodel.dropout: { float: [0, 0.5], when: { training.epochs: { at_least: 7 } } }",
        "model.dropout.when: has a condition on 'training.epochs' that can never hold: its values are 1 to 5")]
    [InlineData("training.epochs: { int: [1, 5], step: 2 }\nmodel.dropout: { float: [0, 0.5], when: { training.epochs: 2 } }",
        "model.dropout.when: has a condition on 'training.epochs' that can never hold: 2 is none of its values (1 to 5 in steps of 2)")]
    [InlineData("model.dropout: { float: [0, 0.5] }\ntraining.epochs: { int: [1, 5], when: { model.dropout: 0 } }",
        "training.epochs.when: has a condition on 'model.dropout' that can hardly ever hold: among 0 to 0.5 there is a continuum of values; "
        + "write { at_least: ..., at_most: ... }, or give it a step")]
    [InlineData("training.epochs: { int: [1, 5] }\nmodel.dropout: { float: [0, 0.5], when: { training.epochs: { above: 7 } } }",
        "model.dropout.when: has a condition on 'training.epochs' that has the unknown field 'above'; there are at_least and at_most")]
    [InlineData("model.activation: { choices: [relu, gelu] }\nmodel.dropout: { float: [0, 0.5], when: { model.activation: { at_least: 1 } } }",
        "model.dropout.when: has a condition on 'model.activation' that has bounds, but its values are no numbers (relu, gelu); name those that are meant")]
    [InlineData("model.hidden: { list: { length: { int: [1, 2] }, each: 3 } }\nmodel.dropout: { float: [0, 0.5], when: { model.hidden: 1 } }",
        "model.dropout.when: has a condition on 'model.hidden', which is a list; name model.hidden.length, or an element such as model.hidden[0]")]
    [InlineData("training.epochs: { int: [1, 5], when: { model.dropout: { at_least: 0.1 } } }\nmodel.dropout: { float: [0, 0.5], when: { training.epochs: 2 } }\n"
        + "model.activation: { choices: [relu, gelu], when: { training.epochs: 1 } }",
        "training.epochs: hangs on itself: the conditions of training.epochs, model.dropout go round in a circle; break it")]
    [InlineData("training.epochs: { int: [1, 5] }\nmodel.dropout: { float: [0.1, 0.5], when: { training.epochs: { at_most: 2 } } }\n"
        + "optimizer.beta1: { float: [0.1, 0.5], when: { training.epochs: { at_least: 4 }, model.dropout: { at_least: 0.2 } } }",
        "optimizer.beta1: has conditions on 'training.epochs', those of the parameters that it hangs on included, that no value of it meets together: "
        + "the parameter would never have a value")]
    // rules over several fields
    [InlineData("data.validation_fraction: { float: [0.1, 0.9] }",
        "data.validation_fraction: where it is 0.9: data.validation_fraction is 0.9 beside a test_fraction of 0.15, but their sum must be below 1")]
    [InlineData("optimizer.kind: { choices: [gd, sgd] }\nbatch.size: { int: [1, 3] }",
        "batch.size: in the middle of the space, optimizer.kind gd, batch.size 2: batch.size unknown field 'size' of batch 'full': did you mean 'base_size'?")]
    public void A_mistake_is_named_with_its_place_and_a_remedy(string space, params string[] errors)
    {
        string Names(Core.Specs.ICatalog catalog) => string.Join(", ", catalog.Entries.Select(e => e.Name));
        Assert.Equal(errors.Select(e => "space." + e.Replace("{optimizers}", Names(Binder.Catalogs.Optimizers), StringComparison.Ordinal)
            .Replace("{schedules}", Names(Binder.Catalogs.Schedules), StringComparison.Ordinal)), SpaceErrors(space).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Everything_that_is_wrong_with_a_space_is_said_at_once_with_its_lines() => Assert.Equal(
        [
            "space.optimizer.kind.choices[1] (line 2): optimizer 'adm' is not known. Available: "
                + string.Join(", ", Binder.Catalogs.Optimizers.Entries.Select(e => e.Name)) + ". Did you mean 'adam'?",
            "space.optimizer.learning_rate.float[0] (line 4): is -1, but must be above 0",
            "space.training.epochs (line 5): is searched as real numbers (float), but the field must be a whole number; write int: [low, high]",
            "space.model.dropout.when (line 6): has a condition on 'nothing', which is no parameter of the space; "
                + "give it a line there, or leave the condition away",
            "space.model.widths (line 7): unknown field 'widths' of model 'mlp'; known are kind, weights, freeze, hidden, activation, dropout",
        ],
        Errors("""
            space:
              optimizer.kind: { choices: [sgd, adm] }
              optimizer.learning_rate:
                float: [-1, 1]
              training.epochs: { float: [1, 2] }
              model.dropout: { float: [0, 0.5], when: { nothing: 1 } }
              model.widths: { int: [1, 2] }
            """));
}
